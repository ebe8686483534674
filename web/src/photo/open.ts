/** A file → a photo as it will be uploaded, or what to do about it. Knows neither the page nor the service's address. */

import { sizeText } from "../amounts";
import { Problem } from "../api/problem";
import { SMALLEST_SIDE } from "../boxes/geometry";
import type { Photo } from "../types";
import type { Encoded, Order } from "./encode.worker";
import { HEAD_BYTES, kindOf, type Kind } from "./kinds";
import { MOST_PIXELS, withinLongerSide } from "./sizes";

export interface PhotoLimits {
  readonly maxBytes: number;
  readonly types: readonly string[];
}

// Far above any photo of 64 megapixels: it is not even read.
const MOST_BYTES_READ = 512 * 2 ** 20;
const LONGEST_NAME = 255;

/**
 * Opens a photo.
 *
 * A file that the service takes, and that every browser shows, stays as it is to the byte. Others are drawn upright,
 * with the longer side at most 4096 pixels, and become JPEG; `original` says what they were where they were larger.
 *
 * @throws Problem `image_empty`, `image_unsupported`, `image_truncated`, `image_too_small` or `image_too_large`, which
 *     mean the same where the service has them too; or `encoder_not_loaded`.
 */
export async function openPhoto(file: File, limits: PhotoLimits): Promise<Photo> {
  if (file.size === 0) throw new Problem("image_empty", "This file is empty: choose the photo itself.");
  if (file.size > Math.max(limits.maxBytes, MOST_BYTES_READ)) throw tooManyBytes(file.size, limits.maxBytes);
  const kind = kindOf(new Uint8Array(await bytesOf(file.slice(0, HEAD_BYTES))));
  if (!kind || !limits.types.includes(kind.type)) {
    throw new Problem("image_unsupported", "This is no photo that can be read here: choose a JPEG, PNG or WebP.");
  }
  const url = URL.createObjectURL(file);
  let isKept = false;
  try {
    const before = sizeOf(await loaded(url, kind));
    const after = withinLongerSide(before);
    const isSmall = after.width === before.width && after.height === before.height && file.size <= limits.maxBytes;
    if (isSmall && kind.isShownEverywhere) {
      await proveDecodable(file, kind);
      isKept = true;
      return { file: named(file, fileName(file.name, kind), kind.type), ...before, url };
    }
    const smaller = await encode({ file, ...after }, kind);
    if (smaller.size > limits.maxBytes) throw tooManyBytes(smaller.size, limits.maxBytes);
    return {
      file: named(smaller, fileName(file.name, { ...kind, type: "image/jpeg" }), "image/jpeg"),
      ...after,
      url: URL.createObjectURL(smaller),
      ...(!isSmall && { original: { ...before, bytes: file.size } }),
    };
  } finally {
    if (!isKept) URL.revokeObjectURL(url);
  }
}

/** A file's own name as the service takes it: no folders, no control characters, and an ending that is true. */
export function fileName(name: string, { type }: Pick<Kind, "type">): string {
  const stem = name
    .replace(/^.*[/\\]/s, "")
    .replace(/[\p{Cc}\p{Cs}]/gu, "")
    .replace(/\.[a-z0-9]{1,5}$/i, "")
    .trim();
  const ending = `.${type.replace("image/", "").replace("jpeg", "jpg")}`;
  return `${Array.from(stem || "photo")
    .slice(0, LONGEST_NAME - ending.length)
    .join("")}${ending}`;
}

async function bytesOf(blob: Blob): Promise<ArrayBuffer> {
  try {
    return await blob.arrayBuffer();
  } catch {
    // It was moved or is on a drive that is gone; or it is a folder.
    throw new Problem("image_empty", "This file cannot be read: is it still there? Choose it again.");
  }
}

/** A picture whose size is known; its pixels are not decoded yet, which takes four bytes for each of them. */
async function loaded(url: string, kind: Kind): Promise<HTMLImageElement> {
  const picture = new Image();
  const isLoaded = new Promise<boolean>((answer) => {
    picture.onload = () => answer(true);
    picture.onerror = () => answer(false);
  });
  picture.src = url;
  if (!(await isLoaded)) throw undecodable(kind);
  return picture;
}

/** The upright size, where it is one that can be used. */
function sizeOf({ naturalWidth: width, naturalHeight: height }: HTMLImageElement): { width: number; height: number } {
  if (width * height > MOST_PIXELS) {
    const message =
      `This photo has ${Math.round((width * height) / 1e6)} million pixels; at most ${MOST_PIXELS / 1e6} million are` +
      " read. Make it smaller first.";
    throw new Problem("image_too_large", message, { width, height });
  }
  if (Math.min(width, height) < SMALLEST_SIDE) {
    throw new Problem("image_too_small", `This picture is only ${width} × ${height} pixels: choose a larger one.`);
  }
  return { width, height };
}

/** An `img` also shows what ends too early, which the service refuses. */
async function proveDecodable(file: File, kind: Kind): Promise<void> {
  try {
    (await createImageBitmap(file)).close();
  } catch {
    throw undecodable(kind);
  }
}

async function encode(order: Order, kind: Kind): Promise<Blob> {
  const worker = new Worker(new URL("./encode.worker.ts", import.meta.url), { type: "module" });
  try {
    const encoded = await new Promise<Encoded>((answer, fail) => {
      worker.onmessage = (event: MessageEvent<Encoded>) => answer(event.data);
      // Of its own it throws nothing: its program is not there.
      worker.onerror = () => {
        const message = "A part of the page did not come through. Check the connection, and reload the page.";
        fail(new Problem("encoder_not_loaded", message));
      };
      worker.postMessage(order);
    });
    if (!encoded) throw undecodable(kind);
    return encoded;
  } finally {
    worker.terminate();
  }
}

function undecodable({ type, name, isShownEverywhere }: Kind): Problem {
  if (type === "image/heic") {
    const message =
      "This browser cannot show HEIC photos. Open this page in Safari, or send the photo as JPEG (on an iPhone:" +
      " Settings, Camera, Formats, Most Compatible).";
    return new Problem("image_unsupported", message);
  }
  if (!isShownEverywhere && type !== "image/gif") {
    return new Problem("image_unsupported", `This browser cannot show ${name} files: export the photo as JPEG or PNG.`);
  }
  return new Problem(
    "image_truncated",
    `This ${name} file is damaged or not complete: copy it again, or export it anew.`,
  );
}

function tooManyBytes(bytes: number, most: number): Problem {
  const message = `This file has ${sizeText(bytes)}; at most ${sizeText(most)} are taken. Make the photo smaller first.`;
  return new Problem("image_too_large", message, { max_image_bytes: most });
}

/** The same bytes under a name and a type. */
function named(blob: Blob, name: string, type: string): File {
  return new File([blob], name, { type });
}
