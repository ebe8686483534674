/** Where the camera stands, in numbers. Knows neither three.js nor the page. */

export type Point = readonly [x: number, y: number, z: number];

/** The narrower of the camera's two angles of view, in radians: about that of a portrait lens. */
export const VIEW_ANGLE = (28 * Math.PI) / 180;

// A little air around the model.
const MARGIN = 1.04;

/** The distance from which a unit sphere fits into the narrower angle of view. */
export const FIT_DISTANCE = MARGIN / Math.sin(VIEW_ANGLE / 2);

/** The vertical angle of view, in degrees, that makes the narrower one `VIEW_ANGLE` at this width over height. */
export function verticalDegrees(aspect: number): number {
  const half = Math.tan(VIEW_ANGLE / 2) / Math.min(aspect, 1);
  return (2 * Math.atan(half) * 180) / Math.PI;
}

/** The direction from which the photo was taken: from the centre to its camera, or glTF's front where there is none. */
export function frontOf(camera: Point | null, centre: Point): Point {
  if (camera === null) return [0, 0, 1];
  const [x, y, z] = [camera[0] - centre[0], camera[1] - centre[1], camera[2] - centre[2]];
  const length = Math.hypot(x, y, z);
  // Straight from above or below, which way is up would be anybody's guess.
  return length > 0 && Math.hypot(x, z) > length * 0.01 ? [x / length, y / length, z / length] : [0, 0, 1];
}

/** How far one turn has come, from 0 to 1, at this share of its time: slow, fast, slow. */
export function eased(share: number): number {
  const held = Math.min(Math.max(share, 0), 1);
  return held * held * (3 - 2 * held);
}

/** A point turned around the y axis by an angle in radians. */
export function turned([x, y, z]: Point, angle: number): Point {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [x * cos + z * sin, y, z * cos - x * sin];
}

/** How dark the lines between this many faces are, from 0 to 1: many thick lines would be a black blot. */
export function lineOpacity(faces: number): number {
  return Math.min(0.85, Math.max(0.28, 60 / Math.sqrt(Math.max(faces, 1))));
}
