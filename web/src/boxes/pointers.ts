/** The mouse, a pen and fingers: presses, drags, clicks and pinches on a surface. Knows nothing of boxes. */

import type { Point } from "./geometry";

/** What became of a press: either `drag` once or more and then `drop` or `cancel`, or `click`, or `cancel` alone. */
export interface Press {
  drag(to: Point): void;
  drop(): void;
  cancel(): void;
  click(): void;
}

export interface Pointers {
  /** Gives up the drag that is under way; whether there was one. */
  cancel(): boolean;
  destroy(): void;
}

// A hand is not still: what moves less than this, in pixels of the screen, is a click.
const SLOP = { mouse: 3, other: 8 };
const TWICE_WITHIN_MS = 350;
const TWICE_WITHIN = 24;

/**
 * Listens on a surface, whose upper left corner inside the border is the origin of all points.
 *
 * @param to.press What to do about a press; null lets it be.
 * @param to.pinch Two fingers moved: the factor by which they went apart, about the point they had in their middle, and
 *     how far that middle went.
 */
export function listenToPointers(
  surface: HTMLElement,
  to: {
    press(at: Point, event: PointerEvent): Press | null;
    hover(at: Point, event: PointerEvent): void;
    pinch(factor: number, about: Point, dx: number, dy: number): void;
    doubleClick(): void;
  },
): Pointers {
  const fingers = new Map<number, Point>();
  let current: { id: number; press: Press; from: Point; slop: number; isDrag: boolean } | null = null;
  let lastClick = { at: { x: 0, y: 0 }, time: -Infinity };

  const pointOf = (event: PointerEvent): Point => pointIn(surface, event);

  function cancel(): boolean {
    const given = current;
    current = null;
    given?.press.cancel();
    return given?.isDrag === true;
  }

  function down(event: PointerEvent): void {
    const at = pointOf(event);
    if (event.pointerType === "touch") fingers.set(event.pointerId, at);
    if (fingers.size > 1 || current) {
      // A second finger has other plans than the first one had alone.
      cancel();
      surface.setPointerCapture(event.pointerId);
      return;
    }
    const press = to.press(at, event);
    if (!press) return;
    surface.setPointerCapture(event.pointerId);
    const slop = event.pointerType === "mouse" ? SLOP.mouse : SLOP.other;
    current = { id: event.pointerId, press, from: at, slop, isDrag: false };
  }

  function move(event: PointerEvent): void {
    const at = pointOf(event);
    const before = fingers.get(event.pointerId);
    if (before && fingers.size === 2) {
      const still = [...fingers].find(([id]) => id !== event.pointerId)?.[1] ?? at;
      fingers.set(event.pointerId, at);
      pinch(before, at, still);
      return;
    }
    if (before) fingers.set(event.pointerId, at);
    if (current?.id !== event.pointerId) {
      if (!current && fingers.size === 0) to.hover(at, event);
      return;
    }
    current.isDrag ||= Math.hypot(at.x - current.from.x, at.y - current.from.y) > current.slop;
    if (current.isDrag) current.press.drag(at);
  }

  function pinch(before: Point, after: Point, still: Point): void {
    const factor = distance(after, still) / Math.max(1, distance(before, still));
    const about = { x: (before.x + still.x) / 2, y: (before.y + still.y) / 2 };
    to.pinch(factor, about, (after.x - before.x) / 2, (after.y - before.y) / 2);
  }

  function up(event: PointerEvent): void {
    fingers.delete(event.pointerId);
    if (current?.id !== event.pointerId) return;
    const { press, from, isDrag } = current;
    current = null;
    if (isDrag) {
      press.drop();
      return;
    }
    press.click();
    const isSecond = event.timeStamp - lastClick.time < TWICE_WITHIN_MS && distance(from, lastClick.at) < TWICE_WITHIN;
    if (isSecond) to.doubleClick();
    lastClick = { at: from, time: isSecond ? -Infinity : event.timeStamp };
  }

  function lost(event: PointerEvent): void {
    fingers.delete(event.pointerId);
    if (current?.id === event.pointerId) cancel();
  }

  const listening = new AbortController();
  const { signal } = listening;
  surface.addEventListener("pointerdown", down, { signal });
  surface.addEventListener("pointermove", move, { signal });
  surface.addEventListener("pointerup", up, { signal });
  surface.addEventListener("pointercancel", lost, { signal });
  // Else the browser moves the focus and selects text; whoever uses the press puts the focus where it belongs.
  surface.addEventListener("mousedown", (event) => event.preventDefault(), { signal });
  return {
    cancel,
    destroy() {
      cancel();
      listening.abort();
    },
  };
}

/** Where the mouse is within an element, from its upper left corner inside the border. */
export function pointIn(surface: HTMLElement, event: MouseEvent): Point {
  const { left, top } = surface.getBoundingClientRect();
  return { x: event.clientX - left - surface.clientLeft, y: event.clientY - top - surface.clientTop };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
