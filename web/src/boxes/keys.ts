/** What the keys do in the editor. Knows neither boxes nor the DOM. */

/** So many steps; `grow` moves the right and the lower side alone. */
export interface Shift {
  readonly kind: "move" | "grow";
  readonly x: number;
  readonly y: number;
}

interface Command {
  readonly kind: "add" | "remove" | "leave" | "closer" | "further" | "fit";
}

export type Action = Shift | Command;

export type KeyPress = Pick<KeyboardEvent, "key" | "shiftKey" | "altKey" | "ctrlKey" | "metaKey">;

/** For the sheet of shortcuts. */
export const shortcuts: readonly { readonly keys: string; readonly does: string }[] = [
  { keys: "N", does: "Add a box in the middle" },
  { keys: "Tab", does: "Go to the next box" },
  { keys: "Arrows", does: "Move the box; with Shift ten times as far" },
  { keys: "Alt + Arrows", does: "Make the box larger or smaller" },
  { keys: "Delete", does: "Delete the box" },
  { keys: "Escape", does: "Give up a drag, or leave the box" },
  { keys: "Ctrl or ⌘ + Z", does: "Undo" },
  { keys: "Ctrl or ⌘ + Shift + Z", does: "Redo" },
  { keys: "+ and −", does: "Zoom in and out; also Ctrl with the wheel, or two fingers" },
  { keys: "0", does: "See the whole photo; also a double click" },
  { keys: "Space + drag", does: "Move the photo; also the middle button, or two fingers" },
  { keys: "Shift + drag", does: "Draw a box inside the one that is selected" },
];

const FAR = 10;
const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const PLAIN: Readonly<Record<string, Command["kind"]>> = {
  n: "add",
  Delete: "remove",
  Backspace: "remove",
  Escape: "leave",
  "+": "closer",
  "=": "closer",
  "-": "further",
  "−": "further",
  _: "further",
  "0": "fit",
};

/** What a key does while the focus is in the editor; null where it is none of the editor's. */
export function actionOf(press: KeyPress): Action | null {
  if (press.ctrlKey || press.metaKey) return null;
  const arrow = ARROWS[press.key];
  if (arrow) {
    const times = press.shiftKey ? FAR : 1;
    return { kind: press.altKey ? "grow" : "move", x: arrow[0] * times, y: arrow[1] * times };
  }
  if (press.altKey) return null;
  const kind = PLAIN[press.key.length === 1 ? press.key.toLowerCase() : press.key];
  return kind ? { kind } : null;
}

/** Undo and redo, which work wherever the focus is: Ctrl or ⌘ with Z, Shift and Z, or Y. */
export function stepOf(press: KeyPress): "undo" | "redo" | null {
  if (!(press.ctrlKey || press.metaKey) || press.altKey) return null;
  const key = press.key.toLowerCase();
  if (key === "z") return press.shiftKey ? "redo" : "undo";
  return key === "y" && !press.shiftKey ? "redo" : null;
}
