import { describe, expect, it } from "vitest";
import {
  between,
  gripAt,
  handlesOf,
  heightOf,
  inMiddle,
  moved,
  resized,
  SMALLEST_SIDE,
  stepAt,
  widthOf,
  withField,
  type Handle,
  type Sides,
} from "../../src/boxes/geometry";
import { boxOf, sidesOf, randomly } from "./made";

const PHOTO = { width: 640, height: 480 };
const HANDLES: readonly Handle[] = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

function expectTaken(box: Sides, photo = PHOTO): void {
  expect(Object.values(box).every(Number.isInteger)).toBe(true);
  expect(box.x_min).toBeGreaterThanOrEqual(0);
  expect(box.y_min).toBeGreaterThanOrEqual(0);
  expect(box.x_max).toBeLessThanOrEqual(photo.width);
  expect(box.y_max).toBeLessThanOrEqual(photo.height);
  expect(widthOf(box)).toBeGreaterThanOrEqual(SMALLEST_SIDE);
  expect(heightOf(box)).toBeGreaterThanOrEqual(SMALLEST_SIDE);
}

describe("a box between two corners", () => {
  it("is the same whichever corner comes first", () => {
    expect(between({ x: 100, y: 90 }, { x: 20, y: 30 }, PHOTO)).toEqual(sidesOf(20, 30, 100, 90));
  });

  it("is of whole pixels", () => {
    expect(between({ x: 10.4, y: 10.6 }, { x: 50.5, y: 60.4 }, PHOTO)).toEqual(sidesOf(10, 11, 51, 60));
  });

  it("ends where the photo does", () => {
    expect(between({ x: 600, y: 400 }, { x: 900, y: -50 }, PHOTO)).toEqual(sidesOf(600, 0, 640, 400));
  });

  it("is as large as the service asks, also in the last corner", () => {
    expect(between({ x: 640, y: 480 }, { x: 640, y: 480 }, PHOTO)).toEqual(sidesOf(632, 472, 640, 480));
  });

  it("is one that the service takes, wherever the corners are", () => {
    randomly(500, ({ number }) => {
      const corner = () => ({ x: number(-200, 900), y: number(-200, 900) });
      expectTaken(between(corner(), corner(), PHOTO));
    });
  });
});

describe("a box that is moved", () => {
  it("keeps its size and stays in the photo", () => {
    randomly(500, ({ number, sides }) => {
      const box = sides(PHOTO);
      const after = moved(box, number(-900, 900), number(-900, 900), PHOTO);
      expectTaken(after);
      expect([widthOf(after), heightOf(after)]).toEqual([widthOf(box), heightOf(box)]);
    });
  });
});

describe("a box that is resized", () => {
  it("is one that the service takes, and keeps the sides that no handle moved", () => {
    randomly(500, ({ number, sides, among }) => {
      const box = sides(PHOTO);
      const handle = among(HANDLES);
      const after = resized(box, handle, number(-900, 900), number(-900, 900), PHOTO);
      expectTaken(after);
      if (!handle.includes("w")) expect(after.x_min).toBe(box.x_min);
      if (!handle.includes("e")) expect(after.x_max).toBe(box.x_max);
      if (!handle.startsWith("n")) expect(after.y_min).toBe(box.y_min);
      if (!handle.startsWith("s")) expect(after.y_max).toBe(box.y_max);
    });
  });
});

describe("a number that is typed", () => {
  const box = sidesOf(100, 100, 200, 180);

  it("moves the box where it is a place", () => {
    expect(withField(box, "x", 40, PHOTO)).toEqual(sidesOf(40, 100, 140, 180));
    expect(withField(box, "y", 470, PHOTO)).toEqual(sidesOf(100, 400, 200, 480));
  });

  it("moves its far side where it is a size", () => {
    expect(withField(box, "width", 9999, PHOTO)).toEqual(sidesOf(100, 100, 640, 180));
    expect(withField(box, "height", 1, PHOTO)).toEqual(sidesOf(100, 100, 200, 108));
  });
});

describe("a box that is added without a drag", () => {
  it("is in the middle of what is seen", () => {
    expect(inMiddle(sidesOf(0, 0, 600, 300), [], PHOTO)).toEqual(sidesOf(200, 100, 400, 200));
  });

  it("does not hide the one that was added before", () => {
    const boxes: Sides[] = [];
    for (let i = 0; i < 12; i++) boxes.push(inMiddle(sidesOf(0, 0, 640, 480), boxes, PHOTO));
    boxes.slice(0, 6).forEach((box, i) => boxes.slice(i + 1, 6).forEach((other) => expect(other).not.toEqual(box)));
    for (const box of boxes) expectTaken(box);
  });
});

describe("an arrow key's step", () => {
  it("is a pixel of the photo, and can be seen on the screen", () => {
    expect(stepAt(4)).toBe(1);
    expect(stepAt(1)).toBe(1);
    expect(stepAt(0.1)).toBe(10);
  });
});

describe("a press", () => {
  const large = boxOf(1, 0, 0, 400, 300);
  const small = boxOf(2, 100, 100, 300, 250);

  it("on nothing is on the ground", () => {
    expect(gripAt({ x: 500, y: 400 }, [large, small], null, 1, "fine")).toEqual({ kind: "ground" });
  });

  it("in boxes that are not selected is inside the smallest", () => {
    expect(gripAt({ x: 200, y: 170 }, [small, large], null, 1, "fine")).toEqual({ kind: "inside", id: 2 });
    expect(gripAt({ x: 50, y: 50 }, [small, large], null, 1, "fine")).toEqual({ kind: "inside", id: 1 });
  });

  it("on the edge of a box moves it", () => {
    expect(gripAt({ x: 403, y: 200 }, [large], null, 1, "fine")).toEqual({ kind: "move", id: 1 });
    expect(gripAt({ x: 412, y: 200 }, [large], null, 1, "fine")).toEqual({ kind: "ground" });
  });

  it("reaches further with a finger", () => {
    expect(gripAt({ x: 412, y: 200 }, [large], null, 1, "coarse")).toEqual({ kind: "move", id: 1 });
  });

  it("in the selected box moves it, whatever lies in it", () => {
    expect(gripAt({ x: 200, y: 170 }, [large, small], 1, 1, "fine")).toEqual({ kind: "move", id: 1 });
  });

  it("near the selected box's corner holds the corner, at 22 pixels of the screen at any zoom", () => {
    for (const scale of [0.25, 1, 6]) {
      const size = 200 / scale;
      const box = boxOf(1, 40, 40, 40 + size, 40 + size);
      const off = 21 / scale;
      const at = { x: 40 + size + off, y: 40 + size + off };
      expect(gripAt(at, [box], 1, scale, "fine")).toEqual({ kind: "handle", id: 1, handle: "se" });
      expect(gripAt({ x: at.x + 2 / scale, y: at.y }, [box], 1, scale, "fine")).toEqual({ kind: "ground" });
    }
  });

  it("in the middle of a small selected box still moves it, with corners that can be hit from outside", () => {
    const box = boxOf(1, 100, 100, 120, 120);
    expect(gripAt({ x: 110, y: 110 }, [box], 1, 1, "coarse")).toEqual({ kind: "move", id: 1 });
    expect(gripAt({ x: 85, y: 85 }, [box], 1, 1, "coarse")).toEqual({ kind: "handle", id: 1, handle: "nw" });
  });

  it("finds a corner's handle on 44 by 44 pixels of the screen, however small the box", () => {
    randomly(20, ({ sides, number }) => {
      const box = { ...sides(PHOTO), id: 1, label: "" };
      const scale = number(0.2, 5);
      let hits = 0;
      for (let x = -50; x <= 50; x++) {
        for (let y = -50; y <= 50; y++) {
          const at = { x: box.x_min + x / scale, y: box.y_min + y / scale };
          const grip = gripAt(at, [box], 1, scale, "coarse");
          if (grip.kind === "handle" && grip.handle === "nw") hits++;
        }
      }
      // Tried at every pixel, of which a row and a column may fall onto the edge of the reach.
      expect(hits).toBeGreaterThanOrEqual(43 * 43);
    });
  });
});

describe("the handles", () => {
  it("are eight on a box with room for them, else the corners", () => {
    expect(handlesOf(sidesOf(0, 0, 200, 200), 1)).toHaveLength(8);
    expect(handlesOf(sidesOf(0, 0, 200, 40), 1).map((each) => each.handle)).toEqual(["nw", "ne", "se", "sw", "n", "s"]);
    expect(handlesOf(sidesOf(0, 0, 40, 40), 1)).toHaveLength(4);
    expect(handlesOf(sidesOf(0, 0, 40, 40), 4)).toHaveLength(8);
  });
});
