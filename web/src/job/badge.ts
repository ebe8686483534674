/** A status as a badge: words, an icon, and a colour. Knows no job. */

import { element } from "../element";
import { icon } from "../shell/icons";
import { lookOf, type Status } from "./words";

/** The badge. */
export function statusBadge(status: Status, note = ""): HTMLElement {
  const { text, icon: name, kind } = lookOf(status);
  return element("span", { class: `badge job-badge ${kind}`, dataset: { status } }, icon(name), `${text}${note}`);
}
