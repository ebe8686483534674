/** What a press on the photo does, by what it gets hold of. Knows the boxes, not how they are drawn. */

import { announce } from "../shell/announce";
import type { Photo } from "../types";
import type { Boxes } from "./boxes";
import { between, gripAt, moved, resized, type Grip, type Handle, type Point, type Sides } from "./geometry";
import type { Press } from "./pointers";
import { toPhoto, type Viewport } from "./viewport";

/** A drag under way: what it makes of a box, or of none yet (id null). */
export interface Drag {
  readonly id: number | null;
  readonly sides: Sides;
}

/** What the editor lets a press do. */
export interface Bench {
  readonly photo: Photo;
  readonly boxes: Boxes;
  view(): Viewport;
  /** Shows what a drag makes; null once it is over. */
  show(drag: Drag | null): void;
  pan(dx: number, dy: number): void;
  /** Adds a box. */
  put(sides: Sides): void;
  focusBox(id: number): void;
  /** Selects nothing. */
  leave(): void;
}

// A drag that ends up smaller than this on the screen was a slip of the hand.
const SLIP = 6;

/** What the pointer is over; with Shift always the ground, so that one can draw inside the selected box. */
export function gripUnder(at: Point, event: PointerEvent, bench: Bench): Grip {
  if (event.shiftKey) return { kind: "ground" };
  const chip = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>("[data-box]") : null;
  if (chip) return { kind: "move", id: Number(chip.dataset["box"]) };
  const view = bench.view();
  const { list, selected } = bench.boxes;
  return gripAt(toPhoto(view, at), list.get(), selected.get(), view.scale, kindOf(event));
}

/** A press on a box holds it; on the ground, or inside a box that is not selected, it draws. */
export function pressOn(at: Point, event: PointerEvent, bench: Bench): Press | null {
  const grip = gripUnder(at, event, bench);
  return grip.kind === "ground" || grip.kind === "inside" ? drawing(at, grip, bench) : holding(at, event, grip, bench);
}

/** A drag moves the photo; the stage's class says so. */
export function panning(from: Point, bench: Bench, stage: HTMLElement): Press {
  let last = from;
  const stop = (): void => stage.classList.remove("panning");
  return {
    drag(to) {
      stage.classList.add("panning");
      bench.pan(to.x - last.x, to.y - last.y);
      last = to;
    },
    drop: stop,
    cancel: stop,
    click: stop,
  };
}

function holding(
  at: Point,
  event: PointerEvent,
  grip: Extract<Grip, { kind: "handle" | "move" | "inside" }>,
  bench: Bench,
): Press | null {
  const { photo, boxes } = bench;
  const box = boxes.list.get().find((each) => each.id === grip.id);
  if (!box) return null;
  const handle = grip.kind === "handle" ? grip.handle : null;
  let sides: Sides | null = null;
  return {
    drag(to) {
      const dx = (to.x - at.x) / bench.view().scale;
      const dy = (to.y - at.y) / bench.view().scale;
      sides = handle ? resized(box, handle, dx, dy, photo) : moved(box, dx, dy, photo);
      boxes.selected.set(box.id);
      bench.show({ id: box.id, sides });
    },
    drop() {
      bench.show(null);
      if (sides) boxes.change(box.id, sides);
      bench.focusBox(box.id);
    },
    cancel: () => bench.show(null),
    click() {
      // Another box may lie in the selected one.
      const under = gripAt(toPhoto(bench.view(), at), boxes.list.get(), null, bench.view().scale, kindOf(event));
      bench.focusBox(handle || under.kind === "ground" ? box.id : under.id);
    },
  };
}

function drawing(at: Point, grip: Grip, bench: Bench): Press {
  const { photo, boxes } = bench;
  const isFull = boxes.list.get().length >= boxes.most();
  let sides: Sides | null = null;
  let isSlip = true;
  return {
    drag(to) {
      if (isFull) return;
      isSlip = Math.min(Math.abs(to.x - at.x), Math.abs(to.y - at.y)) < SLIP;
      sides = between(toPhoto(bench.view(), at), toPhoto(bench.view(), to), photo);
      boxes.selected.set(null);
      bench.show({ id: null, sides });
    },
    drop() {
      bench.show(null);
      if (isFull) announce(`${boxes.most()} boxes are the most in one job.`);
      else if (sides && !isSlip) bench.put(sides);
    },
    cancel: () => bench.show(null),
    click() {
      if (grip.kind === "inside") bench.focusBox(grip.id);
      else bench.leave();
    },
  };
}

const CURSORS: Readonly<Record<Handle | Exclude<Grip["kind"], "handle">, string>> = {
  nw: "nwse-resize",
  se: "nwse-resize",
  ne: "nesw-resize",
  sw: "nesw-resize",
  n: "ns-resize",
  s: "ns-resize",
  e: "ew-resize",
  w: "ew-resize",
  move: "move",
  inside: "crosshair",
  ground: "crosshair",
};

export function cursorOf(grip: Grip): string {
  return CURSORS[grip.kind === "handle" ? grip.handle : grip.kind];
}

function kindOf(event: PointerEvent): "fine" | "coarse" {
  return event.pointerType === "touch" ? "coarse" : "fine";
}
