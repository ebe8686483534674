/** What may be chosen of the meshes, and what it means in words. Knows no view. */

import type { Options } from "../types";

export type Quality = Options["quality"];
type Format = Options["formats"][number];

/** As the service has them. */
export const defaultOptions: Options = {
  quality: "standard",
  formats: ["glb"],
  seed: 0,
  faces: null,
  texture_size: null,
  texture_format: null,
  normal_map: false,
  scene: true,
};

export const QUALITIES: readonly { readonly quality: Quality; readonly name: string; readonly about: string }[] = [
  { quality: "draft", name: "Draft", about: "Quick: to see whether the boxes are right." },
  { quality: "standard", name: "Standard", about: "Good for most things." },
  { quality: "high", name: "High", about: "The finest detail. Takes longest." },
];

export const FORMATS: readonly { readonly format: Format; readonly name: string; readonly about: string }[] = [
  { format: "glb", name: "GLB", about: "Web and Blender; always made." },
  { format: "usdz", name: "USDZ", about: "In your room, with an iPhone." },
  { format: "obj", name: "OBJ", about: "Older 3D programs." },
  { format: "stl", name: "STL", about: "3D printing: the shape alone." },
  { format: "ply", name: "PLY", about: "Vertices with colours: MeshLab." },
  { format: "splats", name: "Splats", about: "3D Gaussians: splat viewers." },
];

/** How a GLB holds its texture; null leaves it to the quality. */
export const TEXTURE_FORMATS: readonly {
  readonly format: NonNullable<Options["texture_format"]>;
  readonly name: string;
}[] = [
  { format: "jpeg", name: "JPEG: small, for everyone" },
  { format: "png", name: "PNG: nothing lost, three times as large" },
  { format: "webp", name: "WebP: the smallest, not read everywhere" },
];

/** The numbers that may be left to the quality (null), or in the seed's case are 0. */
export const NUMBERS = [
  { name: "faces", text: "Triangles", least: 1_000, most: 1_000_000, about: "About how many an object has." },
  { name: "texture_size", text: "Texture", least: 64, most: 8192, about: "Its longer side at most, in pixels." },
  { name: "seed", text: "Seed", least: 0, most: 2 ** 32 - 1, about: "Another number gives another attempt." },
] as const;

export type NumberRule = (typeof NUMBERS)[number];

/** The formats with one more or one less, in the order in which they are offered. */
export function withFormat(options: Options, format: Format, isWanted: boolean): Options {
  const formats = FORMATS.map((each) => each.format).filter((each) =>
    each === format ? isWanted || each === "glb" : options.formats.includes(each),
  );
  return { ...options, formats };
}

/** What a field holds: a number, null where it is empty, or why it cannot be. */
export function readNumber(text: string, { text: name, least, most }: NumberRule): number | null | string {
  if (text.trim() === "") return null;
  const number = Number(text);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  return `${name}: a whole number from ${least.toLocaleString("en")} to ${most.toLocaleString("en")}.`;
}

/** The options with a number as it was typed; null puts back what is usual. */
export function withNumber(options: Options, { name }: NumberRule, value: number | null): Options {
  return name === "seed" ? { ...options, seed: value ?? 0 } : { ...options, [name]: value };
}
