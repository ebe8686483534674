/** Notices that stand at the foot of the window until they are dismissed. Knows nothing of what they are about. */

import type { Problem } from "../api/problem";
import { element } from "../element";
import { announce } from "./announce";
import { icon } from "./icons";

// What was done need not be dismissed; what went wrong stays until it is.
const DONE_MS = 8000;
// More would cover the page; the oldest goes.
const MOST = 3;

let list: HTMLElement | null = null;

/** Shows what went wrong; the same thing is shown once. */
export function showProblem(problem: Problem): void {
  show(problem.message, "bad");
}

/** Shows for a while that something was done. */
export function showDone(text: string): void {
  const notice = show(text, "good");
  announce(text);
  setTimeout(() => {
    // Whoever is at its button dismisses it.
    if (!notice.contains(document.activeElement)) notice.remove();
  }, DONE_MS);
}

function show(text: string, kind: "good" | "bad"): HTMLElement {
  if (list === null) {
    list = element("div", { class: "notices" });
    document.body.append(list);
  }
  for (const shown of [...list.children]) if (shown.firstElementChild?.textContent === text) shown.remove();
  while (list.childElementCount >= MOST) list.firstElementChild?.remove();
  // Where the focus goes back to.
  let before: EventTarget | null = null;
  const notice = element(
    "div",
    { class: `notice notices-one ${kind}` },
    // An alert is read as it comes, also where no other was there before.
    element("p", { attributes: { role: kind === "bad" ? "alert" : undefined } }, text),
    element(
      "button",
      {
        type: "button",
        class: "button quiet icon",
        onfocus: (event) => (before = event.relatedTarget),
        onclick: () => {
          notice.remove();
          if (before instanceof HTMLElement) before.focus({ preventScroll: true });
        },
        attributes: { "aria-label": "Dismiss" },
      },
      icon("close"),
    ),
  );
  list.append(notice);
  return notice;
}
