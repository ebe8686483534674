/** The fields of the card for signing in. Knows nothing of what becomes of what is typed. */

import { element, setAttributes } from "../element";
import { icon } from "../shell/icons";
import { lackingIn, PASSWORD_RULES } from "./password";

export interface Field {
  readonly kind: "email" | "password" | "new-password" | "code";
  readonly root: HTMLElement;
  readonly input: HTMLInputElement;
  /** What to do before it can be sent; null where it can. */
  lacks(): string | null;
  /** Marks it as what the text with this id is about; null takes that back. */
  blame(id: string | null): void;
}

/** @param isFixed Whether it only says whose password is typed. */
export function emailField(value: string, isFixed: boolean): Field {
  const input = element("input", {
    id: "session-email",
    name: "username",
    type: "email",
    value,
    readOnly: isFixed,
    autocomplete: "username",
    inputMode: "email",
    autocapitalize: "none",
    spellcheck: false,
    required: true,
  });
  return fieldOf({
    kind: "email",
    root: element("div", { class: "field" }, labelOf(input, "E-mail address"), input),
    input,
    lacks: () => (/^\S+@\S+$/.test(input.value.trim()) ? null : "Type your e-mail address."),
  });
}

export function passwordField(): Field {
  const input = secret("session-password", "current-password");
  return fieldOf({
    kind: "password",
    root: element("div", { class: "field" }, labelOf(input, "Password"), withToggle(input)),
    input,
    lacks: () => (input.value === "" ? "Type your password." : null),
  });
}

/** Says while one types what a good password still lacks. */
export function newPasswordField(): Field {
  const input = secret("session-new-password", "new-password");
  const hint = element("p", { class: "hint", id: "session-rules", textContent: PASSWORD_RULES });
  input.setAttribute("aria-describedby", hint.id);
  input.addEventListener("input", () => {
    const lacking = lackingIn(input.value);
    hint.textContent =
      input.value === "" ? PASSWORD_RULES : lacking.length === 0 ? "This will do." : `Still needs ${listed(lacking)}.`;
  });
  return fieldOf({
    kind: "new-password",
    root: element("div", { class: "field" }, labelOf(input, "New password"), withToggle(input), hint),
    input,
    lacks: () =>
      lackingIn(input.value).length === 0 ? null : "This password is too easy to guess: see what it needs.",
  });
}

export function codeField(label: string): Field {
  const input = element("input", {
    class: "session-code",
    id: "session-code",
    name: "code",
    type: "text",
    autocomplete: "one-time-code",
    inputMode: "numeric",
    maxLength: 12,
    required: true,
  });
  return fieldOf({
    kind: "code",
    root: element("div", { class: "field" }, labelOf(input, label), input),
    input,
    lacks: () => (/^[\d\s]+$/.test(input.value) ? null : "Type the digits of the code."),
  });
}

function fieldOf(given: Omit<Field, "blame">): Field {
  const { input } = given;
  const hint = input.getAttribute("aria-describedby");
  return {
    ...given,
    blame(id) {
      setAttributes(input, {
        "aria-invalid": id === null ? undefined : "true",
        "aria-describedby": [id, hint].filter((one) => one !== null).join(" ") || undefined,
      });
    },
  };
}

/** Several things in a sentence: `a digit and a symbol`. */
function listed(words: readonly string[]): string {
  return new Intl.ListFormat("en").format(words);
}

function labelOf(input: HTMLInputElement, textContent: string): HTMLLabelElement {
  return element("label", { htmlFor: input.id, textContent });
}

function secret(id: string, autocomplete: "current-password" | "new-password"): HTMLInputElement {
  return element("input", { id, name: "password", type: "password", autocomplete, required: true });
}

function withToggle(input: HTMLInputElement): HTMLElement {
  const toggle = element("button", {
    class: "session-toggle",
    type: "button",
    attributes: { "aria-pressed": "false", "aria-label": "Show the password", "aria-controls": input.id },
    onclick() {
      const isShown = input.type === "password";
      input.type = isShown ? "text" : "password";
      toggle.setAttribute("aria-pressed", String(isShown));
      toggle.replaceChildren(icon(isShown ? "hide" : "show"));
    },
  });
  toggle.append(icon("show"));
  return element("div", { class: "session-secret" }, input, toggle);
}
