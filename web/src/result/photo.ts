/** The photo with what was found in it: boxes first, then masks in their colours. Knows no model. */

import "./photo.css";
import { element, setAttributes, svg } from "../element";
import { icon } from "../shell/icons";
import type { Store } from "../store";
import type { Schemas, View } from "../types";
import { PHOTO, type Files } from "./files";
import { cutOut, maskAt, paintMask, readMask, type Mask } from "./mask";
import { nameOf, type Part } from "./parts";

const CUT_SIDE = 128;
// How many outlines side by side would fill the photo: one is about 3 px wide where the photo is 600.
const LINES_A_SIDE = 200;

/**
 * @param given.job The job; its boxes do not change.
 * @param given.parts Its parts; those with a mask get it drawn.
 * @param given.pointed The object that is pointed at, here or elsewhere.
 * @param given.choose Called with the object that was clicked.
 * @param given.onCut Called with a picture of an object alone, once there is one.
 */
export function photoPanel(given: {
  job: Store<Schemas["Job"]>;
  parts: Store<readonly Part[]>;
  files: Files;
  pointed: Store<number | null>;
  choose(index: number): void;
  onCut(index: number, picture: HTMLCanvasElement): void;
}): View {
  const { boxes } = given.job.get();
  const masks: (Mask | null)[] = boxes.map(() => null);
  const asked = new Set<number>();
  let size: { width: number; height: number } | null = null;
  let url: string | null = null;
  let destroyed = false;

  const image = element("img", { class: "result-image", hidden: true });
  const rects = boxes.map((_, index) => svg("rect", { "data-colour": index % 6, class: "result-box" }));
  const drawing = svg("svg", { class: "result-boxes", "aria-hidden": "true" }, ...rects);
  const chips = boxes.map((_, index) =>
    element("span", {
      class: "result-chip",
      hidden: true,
      dataset: { colour: String(index % 6) },
      ariaHidden: "true",
      textContent: String(index + 1),
    }),
  );
  const sheet = element("div", { class: "result-sheet" }, image, drawing, ...chips);
  const note = element("p", { class: "result-photo-note hint", textContent: "Loading the photo …" });
  const toggle = element(
    "button",
    { type: "button", class: "button quiet", ariaPressed: "true", onclick: () => show(toggle.ariaPressed !== "true") },
    icon("show"),
    "Outlines",
  );
  const root = element(
    "figure",
    { class: "result-photo card" },
    element("div", { class: "result-photo-frame" }, sheet, note),
    element(
      "figcaption",
      { class: "result-bar" },
      toggle,
      element("span", { class: "result-photo-hint hint", textContent: hintFor(boxes) }),
    ),
  );

  function show(outlines: boolean): void {
    toggle.ariaPressed = String(outlines);
    toggle.firstElementChild?.replaceWith(icon(outlines ? "show" : "hide"));
    sheet.classList.toggle("result-sheet-bare", !outlines);
  }

  /** Lays the sheet out, once it is known how large the photo is: from itself, or else from a mask. */
  function lay(width: number, height: number): void {
    if (size !== null) return;
    size = { width, height };
    sheet.style.setProperty("--ratio", String(width / height));
    setAttributes(drawing, { viewBox: `0 0 ${width} ${height}` });
    boxes.forEach((box, index) => {
      const [rect, chip] = [rects[index], chips[index]];
      if (rect === undefined || chip === undefined) return;
      const [width, height] = [box.x_max - box.x_min, box.y_max - box.y_min];
      setAttributes(rect, { x: box.x_min, y: box.y_min, width, height });
      place(chip, box.x_min, box.y_min);
      chip.hidden = false;
    });
  }

  function place(on: HTMLElement, x: number, y: number): void {
    if (size === null) return;
    on.style.setProperty("--left", percent(x / size.width));
    on.style.setProperty("--top", percent(y / size.height));
  }

  async function loadPhoto(): Promise<boolean> {
    try {
      const file = await given.files.blob(PHOTO);
      if (destroyed) return false;
      url = URL.createObjectURL(file);
      image.src = url;
      await image.decode();
    } catch {
      // No longer kept, or of a kind that this browser does not show: the masks are shown by themselves.
      if (!destroyed) note.textContent = "The photo cannot be shown here, or is no longer kept.";
      return false;
    }
    image.hidden = false;
    note.hidden = true;
    lay(image.naturalWidth, image.naturalHeight);
    return true;
  }
  const photo = loadPhoto();

  async function loadMask(index: number, file: string): Promise<void> {
    const box = boxes[index];
    if (box === undefined) return;
    try {
      const read = await readMask(await given.files.blob(file), box);
      lay(read.width, read.height);
      masks[index] = read.mask;
      draw(index, read.mask);
      const there = await photo;
      if (!destroyed) given.onCut(index, cutOut(read.mask, there ? image : null, colourOf(index), CUT_SIDE));
      if (!there) note.classList.add("result-photo-note-small");
    } catch {
      // Its box stays; the next answer of the job tries again.
      asked.delete(index);
    }
  }

  function draw(index: number, mask: Mask): void {
    if (size === null) return;
    const painted = paintMask(mask, colourOf(index), Math.max(size.width, size.height) / LINES_A_SIDE);
    painted.className = "result-mask";
    painted.dataset["index"] = String(index);
    place(painted, mask.rect.x, mask.rect.y);
    painted.style.width = percent(mask.rect.width / size.width);
    painted.style.height = percent(mask.rect.height / size.height);
    rects[index]?.setAttribute("hidden", "");
    const chip = chips[index];
    if (chip !== undefined) place(chip, mask.edge.x, mask.edge.y);
    drawing.before(painted);
    point(given.pointed.get());
  }

  function colourOf(index: number): string {
    const chip = chips[index];
    return chip === undefined ? "" : getComputedStyle(chip).getPropertyValue("--box").trim();
  }

  function point(at: number | null): void {
    sheet.classList.toggle("result-sheet-pointing", at !== null);
    for (const mask of sheet.querySelectorAll<HTMLElement>(".result-mask")) {
      mask.classList.toggle("result-mask-on", mask.dataset["index"] === String(at));
    }
    chips.forEach((chip, index) => chip.classList.toggle("result-chip-on", index === at));
  }

  function objectAt(event: MouseEvent): number | null {
    if (size === null) return null;
    const around = sheet.getBoundingClientRect();
    const x = ((event.clientX - around.left) / around.width) * size.width;
    const y = ((event.clientY - around.top) / around.height) * size.height;
    return maskAt(masks, x, y) ?? boxAt(x, y);
  }

  /** The box without a mask at this point. */
  function boxAt(x: number, y: number): number | null {
    const at = boxes.findIndex(
      (box, index) => masks[index] === null && x >= box.x_min && x <= box.x_max && y >= box.y_min && y <= box.y_max,
    );
    return at < 0 ? null : at;
  }

  sheet.addEventListener("pointermove", (event) => {
    const at = objectAt(event);
    sheet.classList.toggle("result-sheet-hit", at !== null);
    if (event.pointerType === "mouse") given.pointed.set(at);
  });
  sheet.addEventListener("pointerleave", () => given.pointed.set(null));
  sheet.addEventListener("click", (event) => {
    const at = objectAt(event);
    if (at !== null) given.choose(at);
  });

  const endParts = given.parts.subscribe((parts) => {
    image.alt = `The photo, with ${parts
      .filter((part) => part.index !== null)
      .map(nameOf)
      .join("; ")}`;
    for (const { index, mask } of parts) {
      if (index === null || mask === null || asked.has(index)) continue;
      asked.add(index);
      void loadMask(index, mask.name);
    }
  });
  const endPointed = given.pointed.subscribe(point);

  return {
    root,
    destroy() {
      destroyed = true;
      endParts();
      endPointed();
      if (url !== null) URL.revokeObjectURL(url);
    },
  };
}

function hintFor(boxes: readonly unknown[]): string {
  return boxes.length > 1 ? "Pick an object to see its model" : "";
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)}%`;
}
