import { describe, expect, it } from "vitest";
import { colourOf, createBoxes, numberOf } from "../../src/boxes/boxes";
import { boxOf, randomly, sidesOf } from "./made";

const A = sidesOf(0, 0, 20, 20);
const B = sidesOf(10, 10, 40, 40);

describe("a box", () => {
  it("is selected once it is added", () => {
    const boxes = createBoxes([]);
    const box = boxes.add(A);
    expect(boxes.list.get()).toEqual([{ id: 1, ...A, label: "" }]);
    expect(boxes.selected.get()).toBe(box?.id);
  });

  it("gets an id that none of the others has", () => {
    expect(createBoxes([boxOf(7, 0, 0, 9, 9)]).add(A)?.id).toBe(8);
  });

  it("is not added where there are as many as there may be", () => {
    const boxes = createBoxes([], () => 1);
    boxes.add(A);
    expect(boxes.add(B)).toBeNull();
    expect(boxes.list.get()).toHaveLength(1);
  });

  it("loses the selection as it is removed, before those who listen see the list without it", () => {
    const boxes = createBoxes([boxOf(1, 0, 0, 9, 9)]);
    boxes.selected.set(1);
    const seen: (number | null)[] = [];
    boxes.list.subscribe(() => seen.push(boxes.selected.get()));
    boxes.remove(1);
    expect(seen.at(-1)).toBeNull();
  });

  it("has a number for people, and a colour by it", () => {
    const list = [boxOf(5, 0, 0, 9, 9), boxOf(3, 0, 0, 9, 9)];
    expect(numberOf(list, 3)).toBe(2);
    expect(numberOf(list, 4)).toBe(0);
    expect([colourOf(1), colourOf(6), colourOf(7)]).toEqual(["0", "5", "0"]);
  });
});

describe("a label", () => {
  it("is kept as the service takes it", () => {
    const boxes = createBoxes([boxOf(1, 0, 0, 9, 9)]);
    boxes.change(1, { label: "a\tcup\u0007" });
    expect(boxes.list.get()[0]?.label).toBe("a cup ");
    boxes.change(1, { label: "\u{1F680}".repeat(100) });
    expect(boxes.list.get()[0]?.label).toBe("\u{1F680}".repeat(80));
    boxes.change(1, { label: "half \ud83d" });
    expect(boxes.list.get()[0]?.label).toBe("half  ");
  });

  it("that is typed is one step back", () => {
    const boxes = createBoxes([boxOf(1, 0, 0, 9, 9)]);
    for (const label of ["c", "cu", "cup"]) boxes.change(1, { label }, "label 1");
    boxes.undo();
    expect(boxes.list.get()[0]?.label).toBe("");
    boxes.redo();
    expect(boxes.list.get()[0]?.label).toBe("cup");
  });

  it("typed anew after something else is another step", () => {
    const boxes = createBoxes([boxOf(1, 0, 0, 9, 9)]);
    boxes.change(1, { label: "a" }, "label 1");
    boxes.change(1, { x_max: 12 });
    boxes.change(1, { label: "ab" }, "label 1");
    boxes.undo();
    expect(boxes.list.get()[0]).toMatchObject({ label: "a", x_max: 12 });
  });
});

describe("a step back", () => {
  it("is there only where something was done", () => {
    const boxes = createBoxes([boxOf(1, 0, 0, 9, 9)]);
    boxes.change(1, { label: "" });
    boxes.remove(9);
    expect(boxes.steps.get()).toEqual({ back: false, forth: false });
    expect(boxes.undo()).toBe(false);
  });

  it("brings back a box that was removed, selected as it was", () => {
    const boxes = createBoxes([boxOf(1, 0, 0, 9, 9), boxOf(2, 5, 5, 19, 19)]);
    boxes.selected.set(1);
    boxes.remove(1);
    boxes.undo();
    expect(boxes.list.get().map((box) => box.id)).toEqual([1, 2]);
    expect(boxes.selected.get()).toBe(1);
  });

  it("cannot be taken forth again once something else was done", () => {
    const boxes = createBoxes([]);
    boxes.add(A);
    boxes.undo();
    expect(boxes.steps.get()).toEqual({ back: false, forth: true });
    boxes.add(B);
    expect(boxes.steps.get()).toEqual({ back: true, forth: false });
  });

  it("goes all the way back and forth through anything", () => {
    randomly(50, ({ whole, sides, among }) => {
      const boxes = createBoxes([]);
      const seen = [boxes.list.get()];
      for (let i = 0; i < 30; i++) {
        const before = boxes.list.get();
        const id = before.length > 0 ? among(before).id : 0;
        const what = whole(0, 2);
        if (what === 0) boxes.add(sides({ width: 100, height: 100 }));
        else if (what === 1) boxes.change(id, sides({ width: 100, height: 100 }));
        else boxes.remove(id);
        if (boxes.list.get() !== before) seen.push(boxes.list.get());
      }
      for (const list of seen.toReversed().slice(1)) {
        expect(boxes.undo()).toBe(true);
        expect(boxes.list.get()).toEqual(list);
      }
      expect(boxes.undo()).toBe(false);
      for (const list of seen.slice(1)) {
        expect(boxes.redo()).toBe(true);
        expect(boxes.list.get()).toEqual(list);
      }
      expect(boxes.redo()).toBe(false);
    });
  });
});
