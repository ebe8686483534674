import { describe, expect, it } from "vitest";
import { actionOf, shortcuts, stepOf, type KeyPress } from "../../src/boxes/keys";

function press(key: string, ...held: ("shiftKey" | "altKey" | "ctrlKey" | "metaKey")[]): KeyPress {
  const none = { shiftKey: false, altKey: false, ctrlKey: false, metaKey: false };
  return { key, ...none, ...Object.fromEntries(held.map((each) => [each, true])) };
}

describe("a key in the editor", () => {
  it("moves the box by a step, or by ten", () => {
    expect(actionOf(press("ArrowLeft"))).toEqual({ kind: "move", x: -1, y: 0 });
    expect(actionOf(press("ArrowDown", "shiftKey"))).toEqual({ kind: "move", x: 0, y: 10 });
  });

  it("resizes it with Alt", () => {
    expect(actionOf(press("ArrowUp", "altKey"))).toEqual({ kind: "grow", x: 0, y: -1 });
  });

  it.each([
    ["n", "add"],
    ["N", "add"],
    ["Delete", "remove"],
    ["Backspace", "remove"],
    ["Escape", "leave"],
    ["+", "closer"],
    ["=", "closer"],
    ["-", "further"],
    ["0", "fit"],
  ])("%s means %s", (key, kind) => {
    expect(actionOf(press(key))).toEqual({ kind });
  });

  it.each([press("Tab"), press("Enter"), press("0", "ctrlKey"), press("+", "metaKey"), press("n", "altKey")])(
    "is the browser's where it is %o",
    (given) => {
      expect(actionOf(given)).toBeNull();
    },
  );
});

describe("undo and redo", () => {
  it("are the keys of every system", () => {
    expect(stepOf(press("z", "ctrlKey"))).toBe("undo");
    expect(stepOf(press("z", "metaKey"))).toBe("undo");
    expect(stepOf(press("Z", "ctrlKey", "shiftKey"))).toBe("redo");
    expect(stepOf(press("y", "ctrlKey"))).toBe("redo");
  });

  it("are no plain letters", () => {
    expect(stepOf(press("z"))).toBeNull();
    expect(stepOf(press("z", "ctrlKey", "altKey"))).toBeNull();
  });
});

describe("the sheet of shortcuts", () => {
  it("names each once", () => {
    expect(new Set(shortcuts.map(({ keys }) => keys)).size).toBe(shortcuts.length);
  });
});
