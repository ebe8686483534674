/** The menu of who is signed in: e-mail, theme, shortcuts, sign out. Knows no session. */

import { element } from "../element";
import type { Store } from "../store";
import { icon, type IconName } from "./icons";
import { showShortcuts } from "./shortcuts";
import { THEMES, type Theme } from "./theme";

const LOOKS: Readonly<Record<Theme, readonly [IconName, string]>> = {
  system: ["system", "System"],
  light: ["sun", "Light"],
  dark: ["moon", "Dark"],
};

/** A button, and what it opens: a panel that closes with Escape, and as soon as the focus or a click is elsewhere. */
export function accountMenu(given: { readonly theme: Store<Theme>; readonly signOut: () => void }): {
  readonly root: HTMLElement;
  setUser(email: string | null): void;
} {
  const who = element("p", { class: "account-who" });
  const shortcuts = item("help", "Keyboard shortcuts", showShortcuts);
  const signOut = item("sign-out", "Sign out", given.signOut);
  const panel = element(
    "div",
    { class: "account-panel", id: "account-panel", hidden: true },
    who,
    themes(given.theme),
    shortcuts,
    signOut,
  );
  const button = element(
    "button",
    {
      type: "button",
      class: "button quiet icon",
      onclick: () => toggle(panel.hidden),
      attributes: { "aria-expanded": "false", "aria-controls": panel.id },
    },
    icon("account"),
  );
  const root = element("div", { class: "account" }, button, panel);

  function toggle(shown: boolean): void {
    panel.hidden = !shown;
    button.setAttribute("aria-expanded", String(shown));
  }
  function item(name: IconName, text: string, act: () => void): HTMLButtonElement {
    const onclick = (): void => {
      toggle(false);
      button.focus();
      act();
    };
    return element("button", { type: "button", class: "button quiet account-item", onclick }, icon(name), text);
  }
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    toggle(false);
    button.focus();
  });
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !root.contains(event.relatedTarget)) toggle(false);
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target instanceof Node && !root.contains(event.target)) toggle(false);
  });

  function setUser(email: string | null): void {
    button.setAttribute("aria-label", email === null ? "Menu" : `Account: ${email}`);
    button.replaceChildren(icon(email === null ? "menu" : "account"));
    who.replaceChildren(...(email === null ? [] : ["Signed in as ", element("strong", {}, email)]));
    who.hidden = signOut.hidden = email === null;
  }
  setUser(null);
  return { root, setUser };
}

function themes(theme: Store<Theme>): HTMLElement {
  const choices = THEMES.map((each) => {
    const [name, text] = LOOKS[each];
    const input = element("input", {
      type: "radio",
      name: "theme",
      value: each,
      class: "unseen",
      onchange: () => theme.set(each),
    });
    theme.subscribe((chosen) => (input.checked = chosen === each));
    return element("label", { class: "account-theme" }, input, icon(name), text);
  });
  return element("fieldset", { class: "account-themes" }, element("legend", { class: "hint" }, "Theme"), ...choices);
}
