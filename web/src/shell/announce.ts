/** Says to screen readers what has changed. Knows nothing of what it says. */

import { element } from "../element";

// Written a moment late: a region that has just come is not read, and the same text twice only if it went in between.
const LATER_MS = 100;

let region: HTMLElement | null = null;
let waiting = "";

/** Has a screen reader say this when it comes to rest; what was to be said before it, and was not yet, is said first. */
export function announce(text: string): void {
  if (region === null) {
    region = element("div", { class: "unseen", attributes: { role: "status", "aria-live": "polite" } });
    document.body.append(region);
  }
  const said = region;
  if (waiting === "") {
    said.textContent = "";
    setTimeout(() => {
      said.textContent = waiting;
      waiting = "";
    }, LATER_MS);
  }
  waiting = waiting === "" ? text : `${waiting} ${text}`;
}
