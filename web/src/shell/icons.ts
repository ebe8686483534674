/** The page's icons, drawn for it: strokes on 24 by 24, in the colour of the text beside them. Knows no view. */

import { svg } from "../element";

const PATHS = {
  account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 20.5c.9-3.5 3.9-5.5 7.5-5.5s6.6 2 7.5 5.5",
  boxes: "M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3M9 9h6v6H9z",
  camera:
    "M4 8h3.5L9 5h6l1.5 3H20a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1M12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7",
  check: "M4.5 12.5l5 5 10-11",
  close: "M6 6l12 12M18 6L6 18",
  cube: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  fit: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
  fullscreen: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  help: "M9 9.2a3 3 0 1 1 4.3 2.7c-.9.45-1.3 1-1.3 2.1M12 17.2v.1M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18",
  hide: "M4 4l16 16M9.9 5.7A9.5 9.5 0 0 1 12 5.5c5.5 0 9 6.5 9 6.5a17 17 0 0 1-2.7 3.5M14.1 14.1a3 3 0 0 1-4.2-4.2M6.2 7.3A17 17 0 0 0 3 12s3.5 6.5 9 6.5a9 9 0 0 0 3.6-.8",
  history: "M4 12a8 8 0 1 0 2.6-5.9L4 8.5M4 4v4.5h4.5M12 7.5V12l3 2",
  menu: "M4 7h16M4 12h16M4 17h16",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5",
  offline:
    "M4 4l16 16M5 12.5a10 10 0 0 1 5-2.7M15.5 10.6a10 10 0 0 1 3.5 1.9M8.5 16a5 5 0 0 1 6.7-.3M2 9a15 15 0 0 1 5-3.2M11 5a15 15 0 0 1 11 4M12 19.5v.1",
  photo:
    "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1M4 16l4.5-4.5 4 4 2.5-2.5 5 5M15 9.5v.1",
  plus: "M12 5v14M5 12h14",
  redo: "M15 5l5 5-5 5M20 10H9.5a5.5 5.5 0 0 0 0 11H13",
  rename: "M4 20l1-4.5L16.5 4l3.5 3.5L8.5 19zM14 6.5l3.5 3.5",
  reset: "M4 11.5L12 4.5l8 7M6.5 10v9.5h4V15h3v4.5h4V10",
  retry: "M20 12a8 8 0 1 1-2.6-5.9L20 8.5M20 4v4.5h-4.5",
  show: "M3 12s3.5-6.5 9-6.5S21 12 21 12s-3.5 6.5-9 6.5S3 12 3 12M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6",
  "sign-out": "M10 4H5a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h5M15 8l4 4-4 4M19 12H9",
  stop: "M7 7h10v10H7z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  trash: "M4 7h16M9 7V4.5h6V7M6.5 7l1 12.5h9l1-12.5M10 11v5M14 11v5",
  undo: "M9 5L4 10l5 5M4 10h10.5a5.5 5.5 0 0 1 0 11H11",
  upload: "M12 16V5M7 9l5-5 5 5M4 20h16",
  warning: "M12 4L2.5 20h19zM12 10v4.5M12 17.2v.1",
  waiting: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 7v5l3.5 2",
  "zoom-in": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M15.5 15.5L20.5 20.5M10.5 7.5v6M7.5 10.5h6",
  "zoom-out": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M15.5 15.5L20.5 20.5M7.5 10.5h6",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon that says nothing to a screen reader: what stands beside it, or the button's `aria-label`, does. */
export function icon(name: IconName): SVGSVGElement {
  return svg(
    "svg",
    {
      viewBox: "0 0 24 24",
      width: 24,
      height: 24,
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1.75,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
      "aria-hidden": "true",
      focusable: "false",
    },
    svg("path", { d: PATHS[name] }),
  );
}
