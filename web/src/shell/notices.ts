/** Notices that stand at the foot of the window until they are dismissed. Knows nothing of what they are about. */

import type { Problem } from "../api/problem";
import { element } from "../element";
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
  setTimeout(() => notice.remove(), DONE_MS);
}

function show(text: string, kind: "good" | "bad"): HTMLElement {
  if (list === null) {
    list = element("div", {
      class: "notices",
      attributes: { role: "log", "aria-live": "assertive", "aria-label": "Notices" },
    });
    document.body.append(list);
  }
  for (const shown of [...list.children]) if (shown.firstElementChild?.textContent === text) shown.remove();
  while (list.childElementCount >= MOST) list.firstElementChild?.remove();
  const notice = element(
    "div",
    { class: `notice notices-one ${kind}` },
    element("p", {}, text),
    element(
      "button",
      {
        type: "button",
        class: "button quiet icon",
        onclick: () => notice.remove(),
        attributes: { "aria-label": "Dismiss" },
      },
      icon("close"),
    ),
  );
  list.append(notice);
  return notice;
}
