/** Gen3D's mark: a solid that stands in the corners of a box, as in `public/favicon.svg`. Knows no view. */

import { svg } from "../element";

/** The mark, in the accent's colour; it says nothing to a screen reader. */
export function mark(): SVGSVGElement {
  return svg(
    "svg",
    { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    svg("path", {
      class: "mark-corners",
      d: "M3 9V5a2 2 0 0 1 2-2h4M23 3h4a2 2 0 0 1 2 2v4M29 23v4a2 2 0 0 1-2 2h-4M9 29H5a2 2 0 0 1-2-2v-4",
    }),
    svg("path", { class: "mark-top", d: "M16 7l8 4.5-8 4.5-8-4.5z" }),
    svg("path", { class: "mark-left", d: "M7.5 13l7.7 4.300V26l-7.7-4.400z" }),
    svg("path", { class: "mark-right", d: "M24.5 13l-7.7 4.300V26l7.7-4.400z" }),
  );
}
