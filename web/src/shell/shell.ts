/** What stands around every page: header, main part, what is said while offline. Knows no page. */

import { element } from "../element";
import { hashOf, type Route } from "../route";
import type { Store } from "../store";
import type { View } from "../types";
import { accountMenu } from "./account";
import { announce } from "./announce";
import { closeDialogs } from "./dialog";
import { mark } from "./mark";
import { icon, type IconName } from "./icons";
import { showShortcuts } from "./shortcuts";
import "./shell.css";
import type { Theme } from "./theme";

export interface Shell {
  readonly root: HTMLElement;
  /** Puts a page in the main part, in place of the one before. */
  show(page: View): void;
  /** Who is signed in, by e-mail; null for nobody, for whom there are no pages to go to. */
  setUser(email: string | null): void;
  /** Marks where one is. */
  setRoute(route: Route): void;
}

/** The frame of the page. */
export function createShell(given: { readonly theme: Store<Theme>; readonly signOut: () => void }): Shell {
  const links: readonly [Route["page"], HTMLAnchorElement][] = [
    ["new", link({ page: "new" }, "New", "plus")],
    ["history", link({ page: "history" }, "History", "history")],
  ];
  const nav = element("nav", { class: "shell-nav", attributes: { "aria-label": "Pages" } }, ...links.map(([, a]) => a));
  const account = accountMenu(given);
  const main = element("main", { class: "shell-main", id: "main", tabIndex: -1 });
  const root = element(
    "div",
    { class: "shell" },
    element(
      "a",
      { class: "shell-skip button primary", href: "#main", onclick: (event) => skip(event, main) },
      "Skip to the page",
    ),
    element(
      "header",
      { class: "shell-header" },
      element(
        "a",
        { class: "shell-brand", href: hashOf({ page: "new" }), attributes: { "aria-label": "Gen3D" } },
        mark(),
        "Gen3D",
      ),
      nav,
      element(
        "button",
        {
          type: "button",
          class: "button quiet icon shell-help",
          onclick: showShortcuts,
          attributes: { "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)" },
        },
        icon("help"),
      ),
      account.root,
      offlineBanner(),
    ),
    main,
  );
  document.addEventListener("keydown", (event) => {
    if (event.key === "?" && !isTyping(event) && document.querySelector("dialog[open]") === null) showShortcuts();
  });

  addEventListener("dragover", refuseFiles);
  addEventListener("drop", refuseFiles);

  let shown: View | null = null;
  return {
    root,
    show(page) {
      // They ask about the page that goes.
      closeDialogs();
      shown?.destroy();
      shown = page;
      main.replaceChildren(page.root);
    },
    setUser(email) {
      nav.hidden = email === null;
      account.setUser(email);
    },
    setRoute(route) {
      for (const [page, a] of links) {
        if (page === route.page) a.setAttribute("aria-current", "page");
        else a.removeAttribute("aria-current");
      }
    },
  };
}

function link(route: Route, text: string, name: IconName): HTMLAnchorElement {
  return element("a", { class: "shell-link", href: hashOf(route) }, icon(name), text);
}

/** The hash is the route, so a plain link to `#main` would leave the page. */
function skip(event: Event, main: HTMLElement): void {
  event.preventDefault();
  main.focus();
}

/** Unless the page that is shown takes them, which hears of it next: a browser would leave Gen3D to show the file. */
function refuseFiles(event: DragEvent): void {
  if (event.dataTransfer?.types.includes("Files") !== true) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
}

function isTyping(event: KeyboardEvent): boolean {
  return (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    (event.target instanceof Element && event.target.closest("input, textarea, select") !== null)
  );
}

function offlineBanner(): HTMLElement {
  const banner = element(
    "p",
    { class: "shell-offline", hidden: navigator.onLine },
    icon("offline"),
    "You are offline.",
  );
  addEventListener("offline", () => {
    banner.hidden = false;
    announce("You are offline.");
  });
  addEventListener("online", () => {
    banner.hidden = true;
    announce("You are online again.");
  });
  return banner;
}
