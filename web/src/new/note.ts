/** What the photo is, below it: its name and size, and what it was before it was made smaller. Knows no editor. */

import { sizeText } from "../amounts";
import { element } from "../element";
import type { Photo } from "../types";

/** The line below the photo. */
export function photoNote({ file, width, height, original }: Photo): HTMLElement {
  const now = `${file.name} · ${width} × ${height} · ${sizeText(file.size)}`;
  const before =
    original === undefined
      ? null
      : ` Made smaller here, from ${original.width} × ${original.height} and ${sizeText(original.bytes)}: more is not looked at.`;
  return element("p", { class: "hint new-note" }, now, before === null ? null : ".", before);
}
