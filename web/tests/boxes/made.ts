/** Boxes for the tests, by hand and at random. */

import { SMALLEST_SIDE, type Sides, type Size } from "../../src/boxes/geometry";
import type { Box } from "../../src/types";

export function sidesOf(x_min: number, y_min: number, x_max: number, y_max: number): Sides {
  return { x_min, y_min, x_max, y_max };
}

export function boxOf(id: number, x_min: number, y_min: number, x_max: number, y_max: number, label = ""): Box {
  return { id, x_min, y_min, x_max, y_max, label };
}

interface Chance {
  /** A number from `least` up to `most`. */
  readonly number: (least: number, most: number) => number;
  /** A whole number of them, `most` included. */
  readonly whole: (least: number, most: number) => number;
  readonly among: <T>(choices: readonly T[]) => T;
  /** A box that the service takes. */
  readonly sides: (photo: Size) => Sides;
}

/** Runs a check so many times with numbers at random, the same in every run (mulberry32, public domain). */
export function randomly(times: number, check: (chance: Chance) => void): void {
  let state = 20261123;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const number = (least: number, most: number): number => least + next() * (most - least);
  const whole = (least: number, most: number): number => Math.floor(number(least, most + 1));
  const span = (end: number): [number, number] => {
    const from = whole(0, end - SMALLEST_SIDE);
    return [from, whole(from + SMALLEST_SIDE, end)];
  };
  const chance: Chance = {
    number,
    whole,
    among(choices) {
      const chosen = choices[whole(0, choices.length - 1)];
      if (chosen === undefined) throw new Error("nothing to choose from");
      return chosen;
    },
    sides(photo) {
      const [x_min, x_max] = span(photo.width);
      const [y_min, y_max] = span(photo.height);
      return { x_min, y_min, x_max, y_max };
    },
  };
  for (let i = 0; i < times; i++) check(chance);
}
