/** Masks: where they are, and their outlines in colour. Knows neither boxes' colours nor the page's layout. */

import type { Schemas } from "../types";

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** An object's mask within the part of the photo that holds it. */
export interface Mask {
  /** In whole pixels of the photo. */
  readonly rect: Rect;
  /** White, and as opaque as the pixel is the object's; the rect at a scale of at most 1. */
  readonly picture: HTMLCanvasElement;
  /** The alpha of `picture`, by rows. */
  readonly alpha: Uint8Array;
  /** How many of its pixels are the object's, in pixels of the photo. */
  readonly area: number;
  /** Its leftmost point, in pixels of the photo. */
  readonly edge: { readonly x: number; readonly y: number };
}

// Enough for a photo that fills a large screen; a mask of the photo's full size would cost 50 MB to hold.
const LONGEST_SIDE = 900;

/** The box, a little larger, in whole pixels within a photo of this size; the mask is within its box. */
export function maskRect(box: Schemas["NamedBox"], width: number, height: number): Rect {
  const x = Math.min(Math.max(Math.floor(box.x_min) - 2, 0), width - 1);
  const y = Math.min(Math.max(Math.floor(box.y_min) - 2, 0), height - 1);
  const right = Math.max(Math.min(Math.ceil(box.x_max) + 2, width), x + 1);
  const bottom = Math.max(Math.min(Math.ceil(box.y_max) + 2, height), y + 1);
  return { x, y, width: right - x, height: bottom - y };
}

/** RGBA of a black and white mask becomes white with the mask as its alpha, in place; returns the alpha alone. */
export function whiteToAlpha(rgba: Uint8ClampedArray): Uint8Array {
  const alpha = new Uint8Array(rgba.length / 4);
  for (let at = 0; at < alpha.length; at += 1) {
    const value = rgba[at * 4] ?? 0;
    alpha[at] = value;
    rgba.fill(255, at * 4, at * 4 + 3);
    rgba[at * 4 + 3] = value;
  }
  return alpha;
}

/** The pixel of a mask, by rows of this width, that is farthest to the left, and in the middle of those that are. */
export function leftmost(alpha: Uint8Array, width: number): { x: number; y: number } {
  const height = alpha.length / width;
  for (let x = 0; x < width; x += 1) {
    const rows = [];
    for (let y = 0; y < height; y += 1) if ((alpha[y * width + x] ?? 0) >= 128) rows.push(y);
    const y = rows[Math.floor(rows.length / 2)];
    if (y !== undefined) return { x, y };
  }
  return { x: 0, y: 0 };
}

/** The place of the mask that holds this pixel of the photo, the smallest where several do; null where none does. */
export function maskAt(masks: readonly (Mask | null)[], x: number, y: number): number | null {
  let found: number | null = null;
  let area = Infinity;
  masks.forEach((mask, index) => {
    if (mask === null || mask.area >= area) return;
    const column = Math.floor(((x - mask.rect.x) / mask.rect.width) * mask.picture.width);
    const row = Math.floor(((y - mask.rect.y) / mask.rect.height) * mask.picture.height);
    if (column < 0 || row < 0 || column >= mask.picture.width || row >= mask.picture.height) return;
    if ((mask.alpha[row * mask.picture.width + column] ?? 0) < 128) return;
    found = index;
    area = mask.area;
  });
  return found;
}

/** Reads the mask of an object, and how large the photo is. */
export async function readMask(
  file: Blob,
  box: Schemas["NamedBox"],
): Promise<{ mask: Mask; width: number; height: number }> {
  const whole = await createImageBitmap(file);
  try {
    const { width, height } = whole;
    const rect = maskRect(box, width, height);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(rect.width, rect.height));
    const picture = canvasOf(rect.width * scale, rect.height * scale);
    const paper = picture.getContext("2d", { willReadFrequently: true });
    if (paper === null) throw new Error("no canvas");
    paper.drawImage(whole, rect.x, rect.y, rect.width, rect.height, 0, 0, picture.width, picture.height);
    const pixels = paper.getImageData(0, 0, picture.width, picture.height);
    const alpha = whiteToAlpha(pixels.data);
    paper.putImageData(pixels, 0, 0);
    const inside = alpha.reduce((count, value) => count + (value >= 128 ? 1 : 0), 0);
    const area = (inside / alpha.length) * rect.width * rect.height;
    const left = leftmost(alpha, picture.width);
    const edge = { x: rect.x + left.x / scale, y: rect.y + left.y / scale };
    return { mask: { rect, picture, alpha, area, edge }, width, height };
  } finally {
    whole.close();
  }
}

/**
 * The mask as it lies on the photo: a light tint, and along its edge a line in the colour, with a dark one inside.
 *
 * @param line How wide the line is, in pixels of the photo.
 */
export function paintMask(mask: Mask, colour: string, line: number): HTMLCanvasElement {
  const { width, height } = mask.picture;
  const painted = canvasOf(width, height);
  const paper = painted.getContext("2d");
  if (paper === null) return painted;
  const band = Math.max(1, (line * width) / mask.rect.width);
  ring(paper, mask.picture, "#000000a0", band * 1.5);
  ring(paper, mask.picture, colour, band);
  paper.globalAlpha = 0.18;
  paper.drawImage(filled(mask.picture, colour), 0, 0);
  return painted;
}

/** The object alone, cut out of the photo (or in one colour, where there is none) into a square. */
export function cutOut(mask: Mask, photo: CanvasImageSource | null, colour: string, side: number): HTMLCanvasElement {
  const cut = canvasOf(side, side);
  const paper = cut.getContext("2d");
  if (paper === null) return cut;
  const scale = (side * 0.94) / Math.max(mask.rect.width, mask.rect.height);
  const [width, height] = [mask.rect.width * scale, mask.rect.height * scale];
  const [x, y] = [(side - width) / 2, (side - height) / 2];
  paper.imageSmoothingQuality = "high";
  paper.drawImage(photo === null ? filled(mask.picture, colour) : mask.picture, x, y, width, height);
  if (photo === null) return cut;
  paper.globalCompositeOperation = "source-in";
  paper.drawImage(photo, mask.rect.x, mask.rect.y, mask.rect.width, mask.rect.height, x, y, width, height);
  return cut;
}

/** A band of this width along the mask's edge, inside. */
function ring(on: CanvasRenderingContext2D, mask: HTMLCanvasElement, colour: string, width: number): void {
  const band = filled(mask, colour);
  const paper = band.getContext("2d");
  if (paper === null) return;
  // What is inside the mask however it is shifted is taken out: an erosion with a disc of 12 corners.
  const core = canvasOf(mask.width, mask.height);
  const scissors = core.getContext("2d");
  if (scissors === null) return;
  scissors.drawImage(mask, 0, 0);
  scissors.globalCompositeOperation = "destination-in";
  for (let step = 0; step < 12; step += 1) {
    const angle = (step / 12) * 2 * Math.PI;
    scissors.drawImage(mask, Math.cos(angle) * width, Math.sin(angle) * width);
  }
  paper.globalCompositeOperation = "destination-out";
  paper.drawImage(core, 0, 0);
  on.drawImage(band, 0, 0);
}

function filled(mask: HTMLCanvasElement, colour: string): HTMLCanvasElement {
  const sheet = canvasOf(mask.width, mask.height);
  const paper = sheet.getContext("2d");
  if (paper === null) return sheet;
  paper.drawImage(mask, 0, 0);
  paper.globalCompositeOperation = "source-in";
  paper.fillStyle = colour;
  paper.fillRect(0, 0, sheet.width, sheet.height);
  return sheet;
}

function canvasOf(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  return canvas;
}
