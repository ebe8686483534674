/** The boxes as a list, with their labels, their numbers and what may be wrong with them. Knows no screen positions. */

import "./list.css";
import { element } from "../element";
import { announce } from "../shell/announce";
import { icon } from "../shell/icons";
import type { Box, Photo, View } from "../types";
import { colourOf, LONGEST_LABEL, numberOf, type Boxes } from "./boxes";
import { heightOf, SMALLEST_SIDE, widthOf, withField, type Field } from "./geometry";
import { hintFor } from "./hints";

interface Item {
  readonly root: HTMLLIElement;
  readonly bin: HTMLButtonElement;
  /** Shows a box, which has this number; fields that hold it already stay as they are, with their caret. */
  show(box: Box, number: number): void;
}

const FIELDS: readonly { field: Field; name: string; of: (box: Box) => number }[] = [
  { field: "x", name: "Left", of: (box) => box.x_min },
  { field: "y", name: "Top", of: (box) => box.y_min },
  { field: "width", name: "Width", of: widthOf },
  { field: "height", name: "Height", of: heightOf },
];

// In pixels of the screen, as the style sheet has it.
const THUMBNAIL = 52;

let count = 0;

export function boxList({ photo, boxes }: { readonly photo: Photo; readonly boxes: Boxes }): View {
  const items = new Map<number, Item>();
  const list = element("ol", { class: "boxes-list", attributes: { "aria-label": "Boxes" } });
  const empty = element("p", { class: "hint" }, "No boxes yet. Each box becomes one 3D object.");
  const root = element("div", { class: "boxes" }, empty, list);

  function paint(): void {
    const now = boxes.list.get();
    empty.hidden = now.length > 0;
    list.hidden = now.length === 0;
    for (const [id, item] of items) {
      if (now.some((box) => box.id === id)) continue;
      item.root.remove();
      items.delete(id);
    }
    now.forEach((box, index) => {
      const item = items.get(box.id) ?? createItem(box.id);
      items.set(box.id, item);
      const before = list.children[index];
      if (before !== item.root) list.insertBefore(item.root, before ?? null);
      item.show(box, index + 1);
    });
    paintSelected();
  }

  function paintSelected(): void {
    const selected = boxes.selected.get();
    for (const [id, { root: item }] of items) {
      item.classList.toggle("selected", id === selected);
      if (id === selected) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    }
  }

  function remove(id: number): void {
    const number = numberOf(boxes.list.get(), id);
    boxes.remove(id);
    const rest = boxes.list.get();
    const next = rest[number - 1] ?? rest.at(-1);
    // On a button rather than in a field, whose undo would be its own, and which brings up a phone's keyboard.
    if (next) items.get(next.id)?.bin.focus();
    else {
      empty.tabIndex = -1;
      empty.focus();
    }
    announce(`Box ${number} deleted.`);
  }

  function createItem(id: number): Item {
    count += 1;
    const labelId = `boxes-label-${count}`;
    const hintId = `boxes-hint-${count}`;
    const find = (): Box | undefined => boxes.list.get().find((box) => box.id === id);
    const number = element("span", { class: "boxes-number", attributes: { "aria-hidden": "true" } });
    const thumbnail = element(
      "button",
      { type: "button", class: "boxes-thumbnail", onclick: () => boxes.selected.set(id) },
      number,
    );
    thumbnail.style.backgroundImage = `url("${photo.url}")`;
    const caption = element("label", { htmlFor: labelId, class: "unseen" });
    const label = element("input", {
      id: labelId,
      type: "text",
      maxLength: LONGEST_LABEL,
      placeholder: "What is it? (optional)",
      autocomplete: "off",
      oninput: () => boxes.change(id, { label: label.value }, `label ${id}`),
      attributes: { "aria-describedby": hintId, enterkeyhint: "done" },
    });
    const bin = element(
      "button",
      { type: "button", class: "button quiet icon", onclick: () => remove(id) },
      icon("trash"),
    );
    const hint = element("p", { id: hintId, class: "boxes-hint" });
    const numbers = FIELDS.map(({ field, name, of }) => {
      const input = element("input", {
        type: "number",
        min: String(field === "x" || field === "y" ? 0 : SMALLEST_SIDE),
        max: String(field === "x" || field === "width" ? photo.width : photo.height),
        step: "1",
        inputMode: "numeric",
        onchange: () => {
          const box = find();
          if (!box) return;
          if (Number.isFinite(input.valueAsNumber)) {
            boxes.change(id, withField(box, field, input.valueAsNumber, photo), `${field} ${id}`);
          }
          // What was typed may not be what could be done.
          input.value = String(of(find() ?? box));
        },
      });
      return {
        input,
        of,
        label: element("label", { class: "field" }, element("span", { class: "hint" }, name), input),
      };
    });
    const summary = element("summary", {});
    const root = element(
      "li",
      { class: "boxes-item" },
      thumbnail,
      caption,
      label,
      bin,
      hint,
      element(
        "details",
        { class: "boxes-more" },
        summary,
        element("div", { class: "boxes-fields" }, ...numbers.map((each) => each.label)),
      ),
    );
    root.addEventListener("focusin", () => boxes.selected.set(id));
    return {
      root,
      bin,
      show(box, place) {
        root.dataset["colour"] = colourOf(place);
        number.textContent = String(place);
        caption.textContent = `What is in box ${place}?`;
        thumbnail.setAttribute("aria-label", `Select box ${place}`);
        bin.setAttribute("aria-label", `Delete box ${place}`);
        bin.title = `Delete box ${place}`;
        summary.textContent = `${widthOf(box)} × ${heightOf(box)} pixels`;
        if (label.value !== box.label) label.value = box.label;
        for (const { input, of } of numbers) {
          if (input !== document.activeElement) input.value = String(of(box));
        }
        const text = hintFor(box, boxes.list.get(), photo);
        if (hint.textContent !== (text ?? "")) hint.textContent = text ?? "";
        hint.hidden = text === null;
        showThumbnail(thumbnail, box, photo);
      },
    };
  }

  const ends = [boxes.list.subscribe(paint), boxes.selected.subscribe(paintSelected)];
  return {
    root,
    destroy() {
      for (const end of ends) end();
    },
  };
}

/** The whole of the box in the middle of the thumbnail, with some of what is around it. */
function showThumbnail({ style }: HTMLElement, box: Box, photo: Photo): void {
  const scale = THUMBNAIL / Math.max(SMALLEST_SIDE, widthOf(box), heightOf(box));
  const left = THUMBNAIL / 2 - ((box.x_min + box.x_max) / 2) * scale;
  const top = THUMBNAIL / 2 - ((box.y_min + box.y_max) / 2) * scale;
  style.backgroundSize = `${photo.width * scale}px ${photo.height * scale}px`;
  style.backgroundPosition = `${left}px ${top}px`;
}
