/** Sizes and numbers as people read them. Knows not of what. */

/** A size as people read it: "455 kB". 1 kB is 1000 bytes. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  for (const [unit, name] of UNITS) {
    const value = bytes / unit;
    if (value < 999.5 || name === "GB") return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${name}`;
  }
  return "";
}

const UNITS = [
  [1e3, "kB"],
  [1e6, "MB"],
  [1e9, "GB"],
] as const;

const NUMBER = new Intl.NumberFormat("en");

/** "1 face", "20,224 faces". */
export function countText(count: number, one: string, many: string): string {
  return `${NUMBER.format(count)} ${count === 1 ? one : many}`;
}
