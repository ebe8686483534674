/** Which part of the photo is seen, and how large. Knows neither boxes nor the DOM. */

import { clamp, type Point, type Sides, type Size } from "./geometry";

/** A point of the photo is on the screen at `scale` times itself, plus `left` and `top`. */
export interface Viewport {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

/** The ground that stays around the photo, in pixels of the screen: boxes at its edge are drawn and held from there. */
export const MARGIN = 14;
// Small photos are blown up no more than this to fill the stage.
const LARGEST_FIT = 4;
const CLOSEST = 8;

/** The whole photo, in the middle. */
export function fit(photo: Size, stage: Size): Viewport {
  const across = (stage.width - 2 * MARGIN) / photo.width;
  const down = (stage.height - 2 * MARGIN) / photo.height;
  // A stage that is hidden has no size; then any scale will do.
  const scale = Math.max(1e-3, Math.min(across, down, LARGEST_FIT));
  return bounded({ scale, left: 0, top: 0 }, photo, stage);
}

/** Closer or further by a factor, with what is at a point of the stage staying there. */
export function zoomedAt(view: Viewport, factor: number, at: Point, photo: Size, stage: Size): Viewport {
  const least = fit(photo, stage).scale;
  const scale = clamp(view.scale * factor, least, Math.max(CLOSEST, least));
  const grown = scale / view.scale;
  const left = at.x - (at.x - view.left) * grown;
  const top = at.y - (at.y - view.top) * grown;
  return bounded({ scale, left, top }, photo, stage);
}

/** Moved by so many pixels of the screen, as far as there is photo. */
export function panned(view: Viewport, dx: number, dy: number, photo: Size, stage: Size): Viewport {
  return bounded({ scale: view.scale, left: view.left + dx, top: view.top + dy }, photo, stage);
}

/** Moved only as far as a box needs to be seen; its upper left corner is, where it is larger than the stage. */
export function showing(view: Viewport, box: Sides, photo: Size, stage: Size): Viewport {
  const dx = shiftInto(view.left + box.x_min * view.scale, view.left + box.x_max * view.scale, stage.width);
  const dy = shiftInto(view.top + box.y_min * view.scale, view.top + box.y_max * view.scale, stage.height);
  return panned(view, dx, dy, photo, stage);
}

/** The same middle at the same scale where the stage has another size; the whole photo stays the whole photo. */
export function restaged(view: Viewport, photo: Size, before: Size, after: Size): Viewport {
  if (isFit(view, photo, before)) return fit(photo, after);
  const moved = {
    ...view,
    left: view.left + (after.width - before.width) / 2,
    top: view.top + (after.height - before.height) / 2,
  };
  return zoomedAt(moved, 1, { x: after.width / 2, y: after.height / 2 }, photo, after);
}

export function isFit(view: Viewport, photo: Size, stage: Size): boolean {
  return view.scale <= fit(photo, stage).scale * 1.001;
}

/** A point of the stage, in pixels of the photo. */
export function toPhoto(view: Viewport, point: Point): Point {
  return { x: (point.x - view.left) / view.scale, y: (point.y - view.top) / view.scale };
}

/** The part of the photo that is seen. */
export function partSeen(view: Viewport, photo: Size, stage: Size): Sides {
  const upperLeft = toPhoto(view, { x: 0, y: 0 });
  const lowerRight = toPhoto(view, { x: stage.width, y: stage.height });
  return {
    x_min: Math.max(0, upperLeft.x),
    y_min: Math.max(0, upperLeft.y),
    x_max: Math.min(photo.width, lowerRight.x),
    y_max: Math.min(photo.height, lowerRight.y),
  };
}

/** Holds the photo in the stage: in the middle where there is room, else no further than its edges and the margin. */
function bounded(view: Viewport, photo: Size, stage: Size): Viewport {
  return {
    scale: view.scale,
    left: held(view.left, photo.width * view.scale, stage.width),
    top: held(view.top, photo.height * view.scale, stage.height),
  };
}

function held(start: number, length: number, room: number): number {
  if (length + 2 * MARGIN <= room) return (room - length) / 2;
  return clamp(start, room - MARGIN - length, MARGIN);
}

function shiftInto(start: number, end: number, room: number): number {
  if (start < MARGIN || end - start > room - 2 * MARGIN) return MARGIN - start;
  return Math.min(0, room - MARGIN - end);
}
