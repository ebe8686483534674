/** Boxes in whole pixels of the photo: how they are drawn, moved, resized and hit. Knows no screen but its scale. */

import type { Box } from "../types";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export type Sides = Pick<Box, "x_min" | "y_min" | "x_max" | "y_max">;

/** A handle's name is where it is: "n" the upper side, "se" the corner at the lower right. */
export type Handle = "nw" | "n" | "ne" | "e" | "se" | "s" | "sw" | "w";

export type Field = "x" | "y" | "width" | "height";

/** What a press gets hold of; `inside` is a box that is not selected, where a click selects and a drag draws. */
export type Grip =
  | { readonly kind: "handle"; readonly id: number; readonly handle: Handle }
  | { readonly kind: "move" | "inside"; readonly id: number }
  | { readonly kind: "ground" };

/** The service refuses boxes with a smaller side. */
export const SMALLEST_SIDE = 8;

// What a thumb can hit, in pixels of the screen (44 is WCAG's figure, 2.5.5), and the line that holds a box by its edge.
const REACH = 44;
const EDGE = { fine: 6, coarse: 14 };
// Of a side, at each end: what is between stays for moving the box.
const SHARE_OF_HANDLES = 0.25;
// Sides shorter than this on the screen have their corners' handles only.
const SHORTEST_WITH_MIDDLE = 3 * REACH;

export function widthOf(box: Sides): number {
  return box.x_max - box.x_min;
}

export function heightOf(box: Sides): number {
  return box.y_max - box.y_min;
}

/** The value as near as it may be; `least` where `most` is smaller still. */
export function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** The box between two corners, of whole pixels inside the photo and no smaller than the service takes. */
export function between(a: Point, b: Point, photo: Size): Sides {
  const [x_min, x_max] = spanOf(a.x, b.x, photo.width);
  const [y_min, y_max] = spanOf(a.y, b.y, photo.height);
  return { x_min, y_min, x_max, y_max };
}

/** The box moved by so much, and kept whole inside the photo. */
export function moved(box: Sides, dx: number, dy: number, photo: Size): Sides {
  const width = widthOf(box);
  const height = heightOf(box);
  const x_min = clamp(Math.round(box.x_min + dx), 0, photo.width - width);
  const y_min = clamp(Math.round(box.y_min + dy), 0, photo.height - height);
  return { x_min, y_min, x_max: x_min + width, y_max: y_min + height };
}

/** The box with a handle moved by so much; the sides across from it stay where they are. */
export function resized(box: Sides, handle: Handle, dx: number, dy: number, photo: Size): Sides {
  let { x_min, y_min, x_max, y_max } = box;
  if (handle.includes("w")) x_min = clamp(Math.round(x_min + dx), 0, x_max - SMALLEST_SIDE);
  if (handle.includes("e")) x_max = clamp(Math.round(x_max + dx), x_min + SMALLEST_SIDE, photo.width);
  if (handle.startsWith("n")) y_min = clamp(Math.round(y_min + dy), 0, y_max - SMALLEST_SIDE);
  if (handle.startsWith("s")) y_max = clamp(Math.round(y_max + dy), y_min + SMALLEST_SIDE, photo.height);
  return { x_min, y_min, x_max, y_max };
}

/** The box with one of its numbers as somebody typed it, as near to that as it can be. */
export function withField(box: Sides, field: Field, value: number, photo: Size): Sides {
  switch (field) {
    case "x":
      return moved(box, value - box.x_min, 0, photo);
    case "y":
      return moved(box, 0, value - box.y_min, photo);
    case "width":
      return resized(box, "e", value - widthOf(box), 0, photo);
    case "height":
      return resized(box, "s", 0, value - heightOf(box), photo);
  }
}

/** A box in the middle of a part of the photo, a third as large, and beside those that are exactly there already. */
export function inMiddle(part: Sides, others: readonly Sides[], photo: Size): Sides {
  const centre = { x: (part.x_min + part.x_max) / 2, y: (part.y_min + part.y_max) / 2 };
  const half = { x: widthOf(part) / 6, y: heightOf(part) / 6 };
  const first = between(
    { x: centre.x - half.x, y: centre.y - half.y },
    { x: centre.x + half.x, y: centre.y + half.y },
    photo,
  );
  const step = Math.max(1, Math.round(Math.min(half.x, half.y) / 2));
  for (let box = first; ;) {
    const taken = box;
    if (!others.some((other) => same(other, taken))) return box;
    const beside = moved(box, step, step, photo);
    if (same(beside, box)) return box;
    box = beside;
  }
}

export function same(a: Sides, b: Sides): boolean {
  return a.x_min === b.x_min && a.y_min === b.y_min && a.x_max === b.x_max && a.y_max === b.y_max;
}

/** How far an arrow key goes, in pixels of the photo: one, and at least one of the screen. */
export function stepAt(scale: number): number {
  return Math.max(1, Math.round(1 / scale));
}

/** The handles that a box of this size on the screen has room for, and where they are along its sides, from 0 to 1. */
export function handlesOf(box: Sides, scale: number): readonly { handle: Handle; at: Point }[] {
  const isWide = widthOf(box) * scale >= SHORTEST_WITH_MIDDLE;
  const isHigh = heightOf(box) * scale >= SHORTEST_WITH_MIDDLE;
  return PLACES.filter(({ at }) => (isWide || at.x !== 0.5) && (isHigh || at.y !== 0.5));
}

/**
 * What a press at a point gets hold of: first the selected box's handles, then the selected box, then the edge of
 * another, then the inside of the smallest that holds the point.
 *
 * @param point In pixels of the photo.
 * @param scale Pixels of the screen for each of the photo.
 */
export function gripAt(
  point: Point,
  boxes: readonly Box[],
  selected: number | null,
  scale: number,
  pointer: "fine" | "coarse",
): Grip {
  const chosen = boxes.find((box) => box.id === selected);
  if (chosen) {
    const handle = handleAt(point, chosen, scale);
    if (handle) return { kind: "handle", id: chosen.id, handle };
    if (holds(chosen, point, 0)) return { kind: "move", id: chosen.id };
  }
  const others = boxes.filter((box) => box !== chosen).sort((a, b) => areaOf(a) - areaOf(b));
  const reach = EDGE[pointer] / scale;
  const edged = others.find((box) => holds(box, point, reach) && !holds(box, point, -reach));
  if (edged) return { kind: "move", id: edged.id };
  const around = others.find((box) => holds(box, point, 0));
  return around ? { kind: "inside", id: around.id } : { kind: "ground" };
}

const PLACES: readonly { handle: Handle; at: Point }[] = [
  { handle: "nw", at: { x: 0, y: 0 } },
  { handle: "ne", at: { x: 1, y: 0 } },
  { handle: "se", at: { x: 1, y: 1 } },
  { handle: "sw", at: { x: 0, y: 1 } },
  { handle: "n", at: { x: 0.5, y: 0 } },
  { handle: "e", at: { x: 1, y: 0.5 } },
  { handle: "s", at: { x: 0.5, y: 1 } },
  { handle: "w", at: { x: 0, y: 0.5 } },
];

/** The nearest of the handles within whose square the point lies; on a small box the squares reach outwards instead. */
function handleAt(point: Point, box: Sides, scale: number): Handle | null {
  let best: Handle | null = null;
  let nearest = Infinity;
  for (const { handle, at } of handlesOf(box, scale)) {
    const x = (point.x - box.x_min - at.x * widthOf(box)) * scale;
    const y = (point.y - box.y_min - at.y * heightOf(box)) * scale;
    if (!within(x, at.x, widthOf(box) * scale) || !within(y, at.y, heightOf(box) * scale)) continue;
    const distance = Math.hypot(x, y);
    if (distance < nearest) {
      nearest = distance;
      best = handle;
    }
  }
  return best;
}

/** Whether an offset from a handle, on the screen, is within its reach along a side of this length. */
function within(offset: number, at: number, side: number): boolean {
  if (at === 0.5) return Math.abs(offset) <= REACH / 2;
  const inwards = Math.min(REACH / 2, side * SHARE_OF_HANDLES);
  const towards = at === 0 ? offset : -offset;
  return towards <= inwards && towards >= inwards - REACH;
}

function holds(box: Sides, point: Point, margin: number): boolean {
  return (
    point.x >= box.x_min - margin &&
    point.x <= box.x_max + margin &&
    point.y >= box.y_min - margin &&
    point.y <= box.y_max + margin
  );
}

function areaOf(box: Sides): number {
  return widthOf(box) * heightOf(box);
}

function spanOf(a: number, b: number, end: number): [number, number] {
  const least = Math.min(SMALLEST_SIDE, end);
  const from = clamp(Math.round(Math.min(a, b)), 0, end - least);
  return [from, clamp(Math.round(Math.max(a, b)), from + least, end)];
}
