/** The photo with its boxes, which are drawn, moved and resized there by mouse, finger and keyboard. Knows no service. */

import "./editor.css";
import { element } from "../element";
import { announce } from "../shell/announce";
import type { Box, Photo, View } from "../types";
import { numberOf, type Boxes } from "./boxes";
import { createDrawing, type Scene } from "./drawing";
import { inMiddle, moved, resized, stepAt, type Point, type Sides, type Size } from "./geometry";
import { cursorOf, gripUnder, panning, pressOn, type Bench } from "./grips";
import { inWords, sizeInWords } from "./hints";
import { actionOf, stepOf, type Action, type Shift } from "./keys";
import { listenToPointers, pointIn } from "./pointers";
import { createToolbar, type Tool } from "./toolbar";
import { fit, isFit, panned, partSeen, restaged, showing, zoomedAt, type Viewport } from "./viewport";

const ZOOM_STEP = 1.5;
// A notch of a wheel is 100 or more; a trackpad sends many small ones.
const WHEEL = { perPixel: 0.01, most: 30, line: 16 };
const SAID_AFTER_MS = 600;

let count = 0;

export function boxEditor({ photo, boxes }: { readonly photo: Photo; readonly boxes: Boxes }): View {
  count += 1;
  const about = `editor-about-${count}`;
  const drawing = createDrawing(photo, about);
  const [picture, surface, chips] = drawing.layers;
  const stage = element("div", { class: "editor-stage" }, picture, surface, chips);
  // So that the room is there before the photo is; the style sheet bounds the height.
  stage.style.aspectRatio = `${photo.width} / ${photo.height}`;
  const hint = element("p", { class: "hint editor-hint" });
  const toolbar = createToolbar(use);
  const root = element(
    "section",
    { class: "editor", attributes: { "aria-label": "Photo and boxes" } },
    toolbar.root,
    stage,
    hint,
    element(
      "p",
      { id: about, class: "unseen" },
      "N adds a box. Arrows move it, with Alt they resize it, with Shift ten times as far. Delete deletes it.",
    ),
  );

  let room: Size = { width: 0, height: 0 };
  let view: Viewport = fit(photo, room);
  let drag: Scene["drag"] = null;
  let hovered: number | null = null;
  let isSpaceDown = false;
  let saying: ReturnType<typeof setTimeout> | undefined;

  function paint(): void {
    const list = boxes.list.get();
    drawing.paint({ boxes: list, selected: boxes.selected.get(), hovered, drag, view, stage: room });
    const isFull = list.length >= boxes.most();
    const isWhole = isFit(view, photo, room);
    const { back, forth } = boxes.steps.get();
    toolbar.offer({
      add: !isFull,
      undo: back,
      redo: forth,
      further: !isWhole,
      closer: zoomedAt(view, 2, middle(), photo, room).scale > view.scale,
      fit: !isWhole,
    });
    hint.textContent =
      list.length === 0
        ? "Drag over the photo to draw a box around each thing you want in 3D."
        : isFull
          ? `${list.length} boxes are the most in one job.`
          : "Drag to draw another box. Select one to change it.";
  }

  function look(next: Viewport): void {
    view = next;
    paint();
  }

  function middle(): Point {
    return { x: room.width / 2, y: room.height / 2 };
  }

  function use(tool: Tool): void {
    if (tool === "add") add();
    else if (tool === "undo" || tool === "redo") takeStep(tool);
    else if (tool === "fit") look(fit(photo, room));
    else look(zoomedAt(view, tool === "closer" ? ZOOM_STEP : 1 / ZOOM_STEP, middle(), photo, room));
  }

  function takeStep(step: "undo" | "redo"): void {
    pointers.cancel();
    if (boxes[step]()) announce(step === "undo" ? "Undone." : "Done again.");
  }

  function add(): void {
    put(inMiddle(partSeen(view, photo, room), boxes.list.get(), photo));
  }

  function put(sides: Sides): void {
    const box = boxes.add(sides);
    if (!box) {
      announce(`${boxes.most()} boxes are the most in one job.`);
      return;
    }
    focusBox(box.id);
    announce(`Box ${boxes.list.get().length} added, ${sizeInWords(box)}.`);
  }

  function remove(id: number): void {
    const number = numberOf(boxes.list.get(), id);
    boxes.remove(id);
    const rest = boxes.list.get();
    const next = rest[number - 1] ?? rest.at(-1);
    if (next) focusBox(next.id);
    else toolbar.add.focus();
    announce(`Box ${number} deleted.`);
  }

  function focusBox(id: number): void {
    boxes.selected.set(id);
    drawing.focusable(id)?.focus({ preventScroll: true });
  }

  // With the pointer.

  const bench: Bench = {
    photo,
    boxes,
    view: () => view,
    show(next) {
      drag = next;
      paint();
    },
    pan: (dx, dy) => look(panned(view, dx, dy, photo, room)),
    put,
    focusBox,
    leave,
  };

  function leave(): void {
    boxes.selected.set(null);
    surface.focus({ preventScroll: true });
  }

  const pointers = listenToPointers(stage, {
    press(at, event) {
      if (event.button === 1 || (event.button === 0 && isSpaceDown)) {
        event.preventDefault(); // Else the middle button scrolls.
        return panning(at, bench, stage);
      }
      if (event.button !== 0) return null;
      if (!surface.contains(document.activeElement)) surface.focus({ preventScroll: true });
      return pressOn(at, event, bench);
    },
    hover(at, event) {
      const grip = gripUnder(at, event, bench);
      stage.style.cursor = isSpaceDown ? "grab" : cursorOf(grip);
      setHovered(grip.kind === "ground" ? null : grip.id);
    },
    pinch: (factor, about, dx, dy) => look(panned(zoomedAt(view, factor, about, photo, room), dx, dy, photo, room)),
    doubleClick: () => look(fit(photo, room)),
  });

  function wheel(event: WheelEvent): void {
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : WHEEL.line;
    let next: Viewport;
    if (event.ctrlKey || event.metaKey) {
      const turned = Math.max(-WHEEL.most, Math.min(WHEEL.most, event.deltaY * unit));
      next = zoomedAt(view, Math.exp(-turned * WHEEL.perPixel), pointIn(stage, event), photo, room);
      event.preventDefault(); // Else the whole page is zoomed.
    } else {
      next = panned(view, -event.deltaX * unit, -event.deltaY * unit, photo, room);
      // At the photo's end the page scrolls on.
      if (next.left === view.left && next.top === view.top) return;
      event.preventDefault();
    }
    look(next);
  }

  // With the keyboard.

  function keydown(event: KeyboardEvent): void {
    if (event.key === " " && surface.contains(document.activeElement)) {
      isSpaceDown = true;
      stage.style.cursor = "grab";
      event.preventDefault();
      return;
    }
    const action = actionOf(event);
    if (action && act(action)) event.preventDefault();
  }

  function keyup(event: KeyboardEvent): void {
    if (event.key === " ") isSpaceDown = false;
  }

  /** Does what a key asks for; whether there was anything to do. */
  function act(action: Action): boolean {
    if (action.kind === "leave") {
      if (pointers.cancel()) return true;
      if (boxes.selected.get() === null) return false;
      leave();
      return true;
    }
    // These are for the box that has the focus: on the tools such keys are the browser's.
    const box = boxes.list.get().find((each) => drawing.focusable(each.id) === document.activeElement);
    if ("x" in action) {
      if (box) shift(box, action);
      return box !== undefined;
    }
    if (action.kind === "remove") {
      if (box) remove(box.id);
      return box !== undefined;
    }
    use(action.kind);
    return true;
  }

  function shift(box: Box, { kind, x, y }: Shift): void {
    const step = stepAt(view.scale);
    const sides =
      kind === "move" ? moved(box, x * step, y * step, photo) : resized(box, "se", x * step, y * step, photo);
    boxes.change(box.id, sides, `${kind} ${box.id}`);
    look(showing(view, sides, photo, room));
    clearTimeout(saying);
    saying = setTimeout(() => sayWhereIs(box.id), SAID_AFTER_MS);
  }

  function sayWhereIs(id: number): void {
    const list = boxes.list.get();
    const number = numberOf(list, id);
    const box = list[number - 1];
    if (box) announce(inWords(number, box));
  }

  function windowKeydown(event: KeyboardEvent): void {
    const step = stepOf(event);
    // Fields have an undo of their own, and what is inert or behind a dialog does not move.
    if (step === null || isText(event.target) || root.closest("[inert]") || document.querySelector("dialog:modal"))
      return;
    event.preventDefault();
    takeStep(step);
  }

  function focusin(event: FocusEvent): void {
    const focused = boxes.list.get().find((box) => drawing.focusable(box.id) === event.target);
    if (!focused) return;
    boxes.selected.set(focused.id);
    if (drawing.focusable(focused.id)?.matches(":focus-visible") === true) look(showing(view, focused, photo, room));
  }

  const listening = new AbortController();
  const { signal } = listening;
  stage.addEventListener("wheel", wheel, { signal, passive: false });
  stage.addEventListener("pointerleave", () => setHovered(null), { signal });
  surface.addEventListener("focusin", focusin, { signal });
  root.addEventListener("keydown", keydown, { signal });
  root.addEventListener("keyup", keyup, { signal });
  root.addEventListener("focusout", () => (isSpaceDown = false), { signal });
  window.addEventListener("keydown", windowKeydown, { signal });

  function setHovered(id: number | null): void {
    if (id === hovered) return;
    hovered = id;
    paint();
  }

  const sized = new ResizeObserver(() => {
    const before = room;
    room = { width: stage.clientWidth, height: stage.clientHeight };
    look(before.width === 0 ? fit(photo, room) : restaged(view, photo, before, room));
  });
  sized.observe(stage);
  const ends = [boxes.list.subscribe(paint), boxes.selected.subscribe(paint), boxes.steps.subscribe(paint)];

  return {
    root,
    destroy() {
      for (const end of ends) end();
      clearTimeout(saying);
      pointers.destroy();
      sized.disconnect();
      listening.abort();
    },
  };
}

function isText(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range"].includes(target.type);
}
