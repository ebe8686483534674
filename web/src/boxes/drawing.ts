/** The photo and the boxes on it as elements. Knows how they look, not what may be done with them. */

import { element, setAttributes, svg } from "../element";
import type { Box, Photo } from "../types";
import { colourOf } from "./boxes";
import { handlesOf, heightOf, widthOf, type Sides, type Size } from "./geometry";
import type { Drag } from "./grips";
import { inWords } from "./hints";
import { toPhoto, type Viewport } from "./viewport";

export interface Scene {
  readonly boxes: readonly Box[];
  readonly selected: number | null;
  /** The box under the pointer. */
  readonly hovered: number | null;
  /** Its size is written beside it. */
  readonly drag: Drag | null;
  readonly view: Viewport;
  readonly stage: Size;
}

export interface Drawing {
  /** What is put onto the stage, from the lowest layer up. */
  readonly layers: readonly [HTMLImageElement, SVGSVGElement, HTMLElement];
  paint(scene: Scene): void;
  /** The element that has the focus for a box. */
  focusable(id: number): SVGGElement | undefined;
}

interface Shown {
  readonly group: SVGGElement;
  readonly rects: readonly SVGRectElement[];
  readonly chip: HTMLElement;
  readonly label: HTMLElement;
}

// All in pixels of the screen.
const HANDLE = 6.5;
const RING = 5;
const CHIP_HEIGHT = 24;
const CHIP_GAP = 9;
const SHORTEST_CHIP = 120;

export function createDrawing(photo: Photo, about: string): Drawing {
  const picture = element("img", { class: "editor-photo", src: photo.url, alt: "", draggable: false });
  const all = svg("g");
  const top = svg("g", { class: "editor-top", "aria-hidden": "true" });
  const surface = svg(
    "svg",
    {
      class: "editor-boxes",
      // An application, so that screen readers leave the arrow keys to it.
      role: "application",
      "aria-label": "Boxes on the photo",
      "aria-describedby": about,
      tabindex: -1,
    },
    all,
    top,
  );
  const chips = element("div", { class: "editor-chips", attributes: { "aria-hidden": "true" } });
  const size = element("span", { class: "editor-size" });
  const shown = new Map<number, Shown>();

  function paint({ boxes, selected, hovered, drag, view, stage }: Scene): void {
    placePicture(view);
    const origin = toPhoto(view, { x: 0, y: 0 });
    const seen = `${origin.x} ${origin.y} ${stage.width / view.scale} ${stage.height / view.scale}`;
    surface.setAttribute("viewBox", seen);
    const isLeaving = takeOut(boxes);
    boxes.forEach((box, index) => {
      const sides = drag?.id === box.id ? drag.sides : box;
      const one = shown.get(box.id) ?? putIn(box.id);
      const before = all.children[index];
      if (before !== one.group) all.insertBefore(one.group, before ?? null);
      const isSelected = box.id === selected;
      for (const each of [one.group, one.chip]) {
        each.dataset["colour"] = colourOf(index + 1);
        each.classList.toggle("selected", isSelected);
        each.classList.toggle("hovered", box.id === hovered);
      }
      setAttributes(one.group, {
        "aria-label": inWords(index + 1, box),
        "aria-pressed": String(isSelected),
      });
      const [ring, ...lines] = one.rects;
      for (const line of lines) setRect(line, sides, 0);
      if (ring) setRect(ring, sides, RING / view.scale);
      paintChip(one, index + 1, box.label.trim(), sides, view);
    });
    if (isLeaving) surface.focus({ preventScroll: true });
    paintTop(boxes, selected, drag, view);
    paintSize(drag, view, stage);
  }

  function placePicture({ left, top: down, scale }: Viewport): void {
    picture.style.width = `${photo.width * scale}px`;
    picture.style.height = `${photo.height * scale}px`;
    picture.style.transform = `translate(${left}px, ${down}px)`;
  }

  /** Takes out the boxes that are no longer there; whether one of them had the focus. */
  function takeOut(boxes: readonly Box[]): boolean {
    let hadFocus = false;
    for (const [id, one] of shown) {
      if (boxes.some((box) => box.id === id)) continue;
      hadFocus ||= one.group === document.activeElement;
      one.group.remove();
      one.chip.remove();
      shown.delete(id);
    }
    return hadFocus;
  }

  function putIn(id: number): Shown {
    const rects = ["editor-ring", "editor-edge", "editor-line"].map((name) => svg("rect", { class: name }));
    const group = svg("g", { class: "editor-box", role: "button", tabindex: 0, "data-box": id }, ...rects);
    const label = element("span", { class: "editor-chip-label" });
    const number = element("span", { class: "editor-chip-number" });
    const chip = element("span", { class: "editor-chip", dataset: { box: String(id) } }, number, label);
    chips.append(chip);
    const one = { group, rects, chip, label };
    shown.set(id, one);
    return one;
  }

  function paintChip({ chip, label }: Shown, number: number, text: string, sides: Sides, view: Viewport): void {
    const left = view.left + sides.x_min * view.scale;
    const above = view.top + sides.y_min * view.scale - CHIP_HEIGHT - CHIP_GAP;
    // Inside the box where there is no room above it.
    const down = above >= 0 ? above : view.top + sides.y_min * view.scale + CHIP_GAP;
    chip.style.transform = `translate(${above >= 0 ? left : left + CHIP_GAP}px, ${down}px)`;
    chip.style.maxWidth = `${Math.max(SHORTEST_CHIP, widthOf(sides) * view.scale)}px`;
    if (chip.firstElementChild) chip.firstElementChild.textContent = String(number);
    label.textContent = text;
    label.hidden = text === "";
  }

  /** What belongs on top of everything: the selected box once more, with its handles, or the box being drawn. */
  function paintTop(boxes: readonly Box[], selected: number | null, drag: Scene["drag"], view: Viewport): void {
    const index = boxes.findIndex(({ id }) => id === (drag ? drag.id : selected));
    const sides = drag?.sides ?? boxes[index];
    top.replaceChildren();
    if (!sides) return;
    top.dataset["colour"] = colourOf(index < 0 ? boxes.length + 1 : index + 1);
    for (const name of ["editor-edge", "editor-line"]) top.append(setRect(svg("rect", { class: name }), sides, 0));
    if (drag?.id === null) return;
    for (const { at } of handlesOf(sides, view.scale)) {
      const centre = { cx: sides.x_min + at.x * widthOf(sides), cy: sides.y_min + at.y * heightOf(sides) };
      top.append(svg("circle", { class: "editor-handle", ...centre, r: HANDLE / view.scale }));
    }
  }

  function paintSize(drag: Scene["drag"], view: Viewport, stage: Size): void {
    if (!drag) {
      size.remove();
      return;
    }
    const { sides } = drag;
    size.textContent = `${widthOf(sides)} × ${heightOf(sides)}`;
    const below = view.top + sides.y_max * view.scale + CHIP_GAP;
    const down =
      below + CHIP_HEIGHT <= stage.height ? below : view.top + sides.y_max * view.scale - CHIP_HEIGHT - CHIP_GAP;
    // Ends where the box ends: the percentage is of its own width.
    size.style.transform = `translate(${view.left + sides.x_max * view.scale}px, ${down}px) translateX(-100%)`;
    chips.append(size);
  }

  return { layers: [picture, surface, chips], paint, focusable: (id) => shown.get(id)?.group };
}

function setRect(rect: SVGRectElement, { x_min, y_min, x_max, y_max }: Sides, grown: number): SVGRectElement {
  setAttributes(rect, {
    x: x_min - grown,
    y: y_min - grown,
    width: Math.max(0, x_max - x_min + 2 * grown),
    height: Math.max(0, y_max - y_min + 2 * grown),
  });
  return rect;
}
