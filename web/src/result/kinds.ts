/** What each file is and is good for, in words. Knows no job. */

export interface Kind {
  readonly title: string;
  readonly use: string;
}

// By how a name ends: the longest that fits counts. In the order in which files are listed.
const KINDS: readonly (readonly [end: string, kind: Kind])[] = [
  ["scene.glb", { title: "Scene, GLB", use: "All objects in their places. For Blender, Unity, Unreal and the web." }],
  [".glb", { title: "GLB", use: "Mesh and colours in one file. For Blender, Unity, Unreal and the web." }],
  [".usdz", { title: "USDZ", use: "For iPhone and iPad: opens in augmented reality." }],
  [".obj.zip", { title: "OBJ, zipped", use: "Mesh, material and texture as files of their own, for older programs." }],
  [".stl", { title: "STL", use: "The shape alone, for 3D printing." }],
  [".splats.ply", { title: "Splats, PLY", use: "3D Gaussians, for splat viewers and editors." }],
  [".ply", { title: "PLY", use: "Mesh with colours at its vertices, for MeshLab and scripts." }],
  [
    ".web.glb",
    {
      title: "GLB, compact",
      use: "The same for web pages that read meshopt. Many programs cannot open it.",
    },
  ],
  [".mask.png", { title: "Mask, PNG", use: "Which pixels of the photo are the object." }],
  ["masks.png", { title: "Masks, PNG", use: "The photo with every outline drawn on it." }],
  ["thumbnail.jpg", { title: "Masks, small JPEG", use: "The same picture for lists." }],
  ["preview.png", { title: "Picture, PNG", use: "Every mesh from four sides." }],
  ["manifest.json", { title: "Manifest, JSON", use: "All about this job in numbers, for programs." }],
];

/** What the file of this name is; null for one that the page does not know. */
export function kindOf(name: string): Kind | null {
  return KINDS[placeOf(name)]?.[1] ?? null;
}

/** Files in the order in which they are listed: what most people want first, and what nobody knows last. */
export function inOrder<T extends { readonly name: string }>(files: readonly T[]): readonly T[] {
  return files.toSorted((one, other) => placeOf(one.name) - placeOf(other.name));
}

/** Its kind's place in the list; behind the last where there is none. */
function placeOf(name: string): number {
  let place = KINDS.length;
  for (const [at, [end]] of KINDS.entries()) {
    if (name.endsWith(end) && end.length > (KINDS[place]?.[0].length ?? 0)) place = at;
  }
  return place;
}

/** What a file is saved as: the object's own name, where it has one, in place of "object-0". */
export function saveName(name: string, label: string | null): string {
  const own = (label ?? "")
    .normalize("NFC")
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "");
  return own === "" ? name : name.replace(/^object-\d+(?=\.)/, own.slice(0, 60));
}
