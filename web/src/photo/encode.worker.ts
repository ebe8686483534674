/** Draws a photo upright, smaller and on white, and encodes it as JPEG, beside the page's thread. Knows no file names. */

import { stepsTo } from "./sizes";

export interface Order {
  readonly file: Blob;
  readonly width: number;
  readonly height: number;
}

/** Null where the browser cannot decode the photo, or has no memory for it. */
export type Encoded = Blob | null;

// 0.92 is what browsers take for good; below it the edges of things begin to show blocks.
const QUALITY = 0.92;

self.addEventListener("message", (event: MessageEvent<Order>) => {
  encode(event.data).then(
    (encoded) => answer(encoded),
    () => answer(null),
  );
});

function answer(encoded: Encoded): void {
  // Typed as a window's, which wants an origin; a worker's has none.
  (self as unknown as Worker).postMessage(encoded);
}

async function encode({ file, width, height }: Order): Promise<Blob> {
  const photo = await createImageBitmap(file, { imageOrientation: "from-image" });
  let drawn: ImageBitmap | OffscreenCanvas = photo;
  for (const step of stepsTo(photo, { width, height })) {
    const canvas = new OffscreenCanvas(step.width, step.height);
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("no canvas of this size");
    // As the service does with what is transparent.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, step.width, step.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(drawn, 0, 0, step.width, step.height);
    drawn = canvas;
  }
  photo.close();
  if (!(drawn instanceof OffscreenCanvas)) throw new Error("nothing was drawn");
  return drawn.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}
