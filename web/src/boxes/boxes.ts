/** The boxes of a photo, which one is selected, and every step back and forth. Knows no view. */

import { createStore, type Store } from "../store";
import type { Box } from "../types";
import { same, type Sides } from "./geometry";

/** As many as the service takes in one job unless its limits say otherwise. */
export const MOST_BOXES = 32;
/** Of a label, in characters, as the service has it. */
export const LONGEST_LABEL = 80;
// More steps back than anybody takes; each holds a list of at most 32 boxes.
const MOST_STEPS = 200;

export interface Boxes {
  readonly list: Store<readonly Box[]>;
  /** The id of the selected box. */
  readonly selected: Store<number | null>;
  readonly steps: Store<{ readonly back: boolean; readonly forth: boolean }>;
  /** The most boxes that there may be. */
  most(): number;
  /** Adds a box at the end and selects it; null where there are as many as there may be. */
  add(sides: Sides): Box | null;
  /**
   * Changes a box's place or label; nothing happens where it is as asked already.
   *
   * @param run Changes in a row with the same name, such as the letters of a label, are one step back.
   */
  change(id: number, to: Partial<Sides & Pick<Box, "label">>, run?: string): void;
  /** Takes a box out; the selection goes with it. */
  remove(id: number): void;
  /** Takes one step back; the selection is as it was then. Whether there was one to take. */
  undo(): boolean;
  redo(): boolean;
}

interface Moment {
  readonly list: readonly Box[];
  readonly selected: number | null;
}

/** The boxes, with nothing to undo. */
export function createBoxes(initial: readonly Box[], most: () => number = () => MOST_BOXES): Boxes {
  const list = createStore(initial);
  const selected = createStore<number | null>(null);
  const steps = createStore({ back: false, forth: false });
  const past: Moment[] = [];
  const future: Moment[] = [];
  let running: string | null = null;
  let lastId = Math.max(0, ...initial.map((box) => box.id));

  const now = (): Moment => ({ list: list.get(), selected: selected.get() });

  /** Remembers how it is now, so that what comes next can be taken back. */
  function step(run: string | null = null): void {
    if (run === null || run !== running) {
      past.push(now());
      if (past.length > MOST_STEPS) past.shift();
    }
    running = run;
    future.length = 0;
    tellSteps();
  }

  function goTo(from: Moment[], to: Moment[]): boolean {
    const moment = from.pop();
    if (!moment) return false;
    to.push(now());
    running = null;
    // First nothing is selected, so that nobody who listens finds a box selected that is not in the list.
    selected.set(null);
    list.set(moment.list);
    selected.set(moment.selected);
    tellSteps();
    return true;
  }

  function tellSteps(): void {
    const back = past.length > 0;
    const forth = future.length > 0;
    if (steps.get().back !== back || steps.get().forth !== forth) steps.set({ back, forth });
  }

  return {
    list,
    selected,
    steps,
    most,
    add({ x_min, y_min, x_max, y_max }) {
      if (list.get().length >= most()) return null;
      lastId += 1;
      const box: Box = { id: lastId, x_min, y_min, x_max, y_max, label: "" };
      step();
      list.set([...list.get(), box]);
      selected.set(box.id);
      return box;
    },
    change(id, to, run) {
      const before = list.get().find((box) => box.id === id);
      if (!before) return;
      const after = { ...before, ...to, label: cleaned(to.label ?? before.label) };
      if (same(before, after) && before.label === after.label) return;
      step(run);
      list.set(list.get().map((box) => (box === before ? after : box)));
    },
    remove(id) {
      const rest = list.get().filter((box) => box.id !== id);
      if (rest.length === list.get().length) return;
      step();
      if (selected.get() === id) selected.set(null);
      list.set(rest);
    },
    undo: () => goTo(past, future),
    redo: () => goTo(future, past),
  };
}

/** The number of a box for people, from 1; 0 where it is not there. */
export function numberOf(list: readonly Box[], id: number): number {
  return list.findIndex((box) => box.id === id) + 1;
}

/** Its colour is told by its number: see `data-colour` in the tokens. */
export function colourOf(number: number): string {
  return String((number - 1) % 6);
}

/** A label as the service takes it: no control characters or lone halves of one (which JSON cannot carry), not too long. */
function cleaned(label: string): string {
  return Array.from(label.replace(/[\p{Cc}\p{Cs}]/gu, " "))
    .slice(0, LONGEST_LABEL)
    .join("");
}
