/** What may be wrong with a box, in words that say what to do. Knows no view. */

import type { Box } from "../types";
import { heightOf, same, SMALLEST_SIDE, widthOf, type Size } from "./geometry";

// Judgements rather than limits: below, an object is a handful of pixels; above, the box tells little of what is meant.
const FEW_PIXELS = 32;
const NEARLY_ALL = 0.9;

/** The first thing that may be wrong with a box; null where it looks right. */
export function hintFor(box: Box, boxes: readonly Box[], photo: Size): string | null {
  const across = Math.min(box.x_max, photo.width) - Math.max(box.x_min, 0);
  const down = Math.min(box.y_max, photo.height) - Math.max(box.y_min, 0);
  if (across <= 0 || down <= 0) return "It lies outside the photo: move it onto the thing you want.";
  if (Math.min(across, down) < SMALLEST_SIDE) {
    return `It is too small: make it at least ${SMALLEST_SIDE} pixels wide and high.`;
  }
  if (across < widthOf(box) || down < heightOf(box))
    return "It reaches beyond the photo: what lies outside is cut off.";
  const twin = boxes.findIndex((other) => other.id !== box.id && same(other, box));
  if (twin >= 0) return `It is the same as box ${twin + 1}: delete one of them.`;
  if (across * down > NEARLY_ALL * photo.width * photo.height) {
    return "It covers nearly the whole photo: draw it close around one thing.";
  }
  if (Math.min(across, down) < FEW_PIXELS) {
    return "It holds few pixels, so little detail: a closer photo works better.";
  }
  return null;
}

/** A box in words, for those who do not see it: "Box 2, cup, 120 by 80 pixels at 30, 40". */
export function inWords(number: number, box: Box): string {
  const label = box.label.trim();
  return `Box ${number}${label ? `, ${label}` : ""}, ${sizeInWords(box)} at ${box.x_min}, ${box.y_min}`;
}

export function sizeInWords(box: Box): string {
  return `${widthOf(box)} by ${heightOf(box)} pixels`;
}
