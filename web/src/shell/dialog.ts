/** Dialogs that ask, and that tell. Knows nothing of what they are about. */

import { element, type Child } from "../element";
import { icon } from "./icons";

let count = 0;

/**
 * Asks before something is done that cannot be undone.
 *
 * @returns Whether it was agreed to; Escape, the backdrop and the other button say no.
 */
export function confirmed(asked: {
  readonly title: string;
  readonly text: string;
  readonly yes: string;
  readonly no: string;
  readonly danger?: boolean;
}): Promise<boolean> {
  return new Promise((answer) => {
    const text = element("p", { id: `dialog-text-${count}` }, asked.text);
    const dialog = frame(asked.title, text);
    dialog.setAttribute("aria-describedby", text.id);
    const no = element("button", { type: "button", class: "button", onclick: () => dialog.close() }, asked.no);
    const yes = element(
      "button",
      {
        type: "button",
        class: asked.danger === true ? "button danger" : "button primary",
        onclick: () => dialog.close("yes"),
      },
      asked.yes,
    );
    dialog.append(element("div", { class: "dialog-buttons" }, no, yes));
    open(dialog, () => answer(dialog.returnValue === "yes"));
    no.focus();
  });
}

/** Tells something at length, until it is closed. */
export function tell(title: string, ...content: readonly Child[]): void {
  const dialog = frame(title, ...content);
  dialog.classList.add("dialog-sheet");
  dialog.prepend(
    element(
      "button",
      {
        type: "button",
        class: "button quiet icon dialog-close",
        onclick: () => dialog.close(),
        attributes: { "aria-label": "Close" },
      },
      icon("close"),
    ),
  );
  open(dialog, () => undefined);
}

/** Closes what is open, as Escape does. */
export function closeDialogs(): void {
  for (const dialog of document.querySelectorAll<HTMLDialogElement>("dialog[open]")) dialog.close();
}

function frame(title: string, ...content: readonly Child[]): HTMLDialogElement {
  count += 1;
  const heading = element("h2", { id: `dialog-${count}` }, title);
  return element("dialog", { class: "dialog", attributes: { "aria-labelledby": heading.id } }, heading, ...content);
}

/** The browser gives the focus back to where it was before. */
function open(dialog: HTMLDialogElement, closed: () => void): void {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && isOutside(dialog, event)) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    closed();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function isOutside(dialog: HTMLDialogElement, { clientX: x, clientY: y }: MouseEvent): boolean {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return x < left || x > right || y < top || y > bottom;
}
