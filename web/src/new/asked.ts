/** What is asked of the service, from what is being prepared. Knows no view and no HTTP. */

import type { Box, Options, Photo, Schemas } from "../types";

/** What the service may be sent as a photo, before its limits have come. */
export const TYPES = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/tiff",
  "image/gif",
  "image/bmp",
  "image/avif",
  "image/heic",
  "image/heif",
] as const satisfies readonly Schemas["NewJob"]["file"]["type"][];

/** What is ready to be made. */
export interface Ready {
  readonly photo: Photo;
  readonly boxes: readonly Box[];
  readonly options: Options;
}

/** The request for a new job; the service checks it, so what the page let through by mistake is told, not hidden. */
export function newJobOf({ photo, boxes, options }: Ready): Schemas["NewJob"] {
  return {
    boxes: boxes.map(boxOf),
    options,
    file: { name: photo.file.name, type: typeOf(photo.file), bytes: photo.file.size },
  };
}

function boxOf({ x_min, y_min, x_max, y_max, label }: Box): Schemas["NamedBox"] {
  const sides = { x_min, y_min, x_max, y_max };
  return label.trim() === "" ? sides : { ...sides, label: label.trim() };
}

function typeOf(file: File): Schemas["NewJob"]["file"]["type"] {
  return file.type as Schemas["NewJob"]["file"]["type"];
}
