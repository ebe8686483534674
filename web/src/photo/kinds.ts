/** What kind of file a photo is, by its first bytes as the service tells it. Decodes nothing. */

/** How many bytes at a file's start tell what it is. */
export const HEAD_BYTES = 4096;

export interface Kind {
  readonly type: string;
  /** Its name for people. */
  readonly name: string;
  /** Whether every browser shows it, as one still picture. */
  readonly isShownEverywhere: boolean;
}

const JPEG: Kind = { type: "image/jpeg", name: "JPEG", isShownEverywhere: true };
const PNG: Kind = { type: "image/png", name: "PNG", isShownEverywhere: true };
const WEBP: Kind = { type: "image/webp", name: "WebP", isShownEverywhere: true };
const AVIF: Kind = { type: "image/avif", name: "AVIF", isShownEverywhere: true };
const BMP: Kind = { type: "image/bmp", name: "BMP", isShownEverywhere: true };
// It may move, and the service takes its first picture.
const GIF: Kind = { type: "image/gif", name: "GIF", isShownEverywhere: false };
const TIFF: Kind = { type: "image/tiff", name: "TIFF", isShownEverywhere: false };
const HEIC: Kind = { type: "image/heic", name: "HEIC", isShownEverywhere: false };

const STARTS: readonly (readonly [string, Kind])[] = [
  ["\xff\xd8", JPEG],
  ["\x89PNG", PNG],
  ["GIF8", GIF],
  ["II*\0", TIFF],
  ["MM\0*", TIFF],
  ["II+\0", TIFF],
  ["MM\0+", TIFF],
  ["BM", BMP],
];
const AVIF_BRANDS = ["avif", "avis"];
const HEIC_BRANDS = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1"];

/** The kind of the file that begins so; null where it is none that the service reads. */
export function kindOf(head: Uint8Array): Kind | null {
  const text = Array.from(head.subarray(0, HEAD_BYTES), (byte) => String.fromCharCode(byte)).join("");
  if (text.startsWith("ftyp", 4)) return kindOfBrands(text, head);
  if (text.startsWith("RIFF")) return text.startsWith("WEBP", 8) ? WEBP : null;
  return STARTS.find(([start]) => text.startsWith(start))?.[1] ?? null;
}

/** ISO/IEC 14496-12, 4.3: a file type box is its length, "ftyp", a major brand, a version, and more brands. */
function kindOfBrands(text: string, head: Uint8Array): Kind | null {
  const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
  const brands = text.slice(8, length).match(/[^]{4}/g) ?? [];
  // `mif1` says only that it is a picture, so the codec's own brand goes first.
  if (brands.some((brand) => AVIF_BRANDS.includes(brand))) return AVIF;
  return brands.some((brand) => HEIC_BRANDS.includes(brand)) ? HEIC : null;
}
