/** How large a photo may be, and how it is made smaller. Knows numbers alone. */

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The longer side of what is uploaded, in pixels. The networks see less of a photo (3072 on the longer side where depth
 * is measured and objects are cut out, see GEN3D_WORKING_SIDE), and outlines are found in the photo as it comes: this
 * leaves them a third more, and makes of a phone's 48 megapixels some 3 MB. A canvas of this size is just what iOS
 * takes (16,777,216 pixels).
 */
export const LONGER_SIDE = 4096;

/** The service reads no photo with more pixels. */
export const MOST_PIXELS = 64_000_000;

/** The size within LONGER_SIDE, in proportion; the same where it is within already. */
export function withinLongerSide({ width, height }: Size): Size {
  const scale = Math.min(1, LONGER_SIDE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/**
 * The sizes on the way from one to a smaller one, the last of which is that.
 *
 * Each is at least half the one before: browsers that smooth over four pixels alone lose what is between them in longer
 * steps. Of a photo that is read at all, the first half has no more pixels than a canvas on iOS.
 */
export function stepsTo(from: Size, to: Size): readonly Size[] {
  const steps: Size[] = [];
  let { width, height } = from;
  while (width > 2 * to.width || height > 2 * to.height) {
    width = Math.max(to.width, Math.ceil(width / 2));
    height = Math.max(to.height, Math.ceil(height / 2));
    steps.push({ width, height });
  }
  return [...steps, to];
}
