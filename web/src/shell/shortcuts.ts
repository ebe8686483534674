/** The sheet of keyboard shortcuts. Knows the rooms' lists, and no key itself but its own. */

import { shortcuts as editing } from "../boxes/keys";
import { element } from "../element";
import { tell } from "./dialog";

const EVERYWHERE = [{ keys: "?", does: "Show this sheet" }];

/** Shows the sheet. */
export function showShortcuts(): void {
  tell(
    "Keyboard shortcuts",
    element("h3", {}, "On the photo"),
    table(editing),
    element("h3", {}, "Everywhere"),
    table(EVERYWHERE),
  );
}

function table(shortcuts: readonly { readonly keys: string; readonly does: string }[]): HTMLElement {
  return element(
    "dl",
    { class: "shortcuts" },
    ...shortcuts.flatMap(({ keys, does }) => [element("dt", {}, element("kbd", {}, keys)), element("dd", {}, does)]),
  );
}
