import { describe, expect, it } from "vitest";
import { fit, isFit, MARGIN, panned, partSeen, restaged, showing, toPhoto, zoomedAt } from "../../src/boxes/viewport";
import { randomly, sidesOf } from "./made";

const PHOTO = { width: 4000, height: 3000 };
const STAGE = { width: 800, height: 600 };
const ALL = sidesOf(0, 0, 4000, 3000);

describe("the whole photo", () => {
  it("is seen at first, in the middle and with room around it", () => {
    const view = fit(PHOTO, STAGE);
    expect(partSeen(view, PHOTO, STAGE)).toEqual(ALL);
    expect(view.top).toBeCloseTo(MARGIN);
    expect(view.left * 2 + PHOTO.width * view.scale).toBeCloseTo(STAGE.width);
  });

  it("is not blown up without end where it is small", () => {
    expect(fit({ width: 40, height: 30 }, STAGE).scale).toBe(4);
  });

  it("has some scale also on a stage that is hidden", () => {
    expect(fit(PHOTO, { width: 0, height: 0 }).scale).toBeGreaterThan(0);
  });

  it("is as small as it gets", () => {
    const closer = zoomedAt(fit(PHOTO, STAGE), 3, { x: 100, y: 100 }, PHOTO, STAGE);
    expect(isFit(closer, PHOTO, STAGE)).toBe(false);
    expect(zoomedAt(closer, 0.01, { x: 700, y: 10 }, PHOTO, STAGE)).toEqual(fit(PHOTO, STAGE));
  });

  it("stays whole when the stage changes", () => {
    const after = { width: 300, height: 500 };
    expect(restaged(fit(PHOTO, STAGE), PHOTO, STAGE, after)).toEqual(fit(PHOTO, after));
  });
});

describe("coming closer", () => {
  it("keeps what is at the pointer where it is", () => {
    const at = { x: 420, y: 310 };
    const near = zoomedAt(fit(PHOTO, STAGE), 4, { x: 400, y: 300 }, PHOTO, STAGE);
    const nearer = zoomedAt(near, 1.5, at, PHOTO, STAGE);
    expect(toPhoto(nearer, at).x).toBeCloseTo(toPhoto(near, at).x);
    expect(toPhoto(nearer, at).y).toBeCloseTo(toPhoto(near, at).y);
  });

  it("ends at eight pixels of the screen for one", () => {
    expect(zoomedAt(fit(PHOTO, STAGE), 1e6, { x: 0, y: 0 }, PHOTO, STAGE).scale).toBe(8);
  });

  it("keeps the middle where the stage changes", () => {
    const view = zoomedAt(fit(PHOTO, STAGE), 5, { x: 400, y: 300 }, PHOTO, STAGE);
    const after = { width: 500, height: 400 };
    const middle = toPhoto(restaged(view, PHOTO, STAGE, after), { x: 250, y: 200 });
    expect(middle.x).toBeCloseTo(2000);
    expect(middle.y).toBeCloseTo(1500);
  });
});

describe("the photo", () => {
  it("never leaves the stage, whatever is done", () => {
    randomly(300, ({ number }) => {
      let view = fit(PHOTO, STAGE);
      for (let i = 0; i < 8; i++) {
        view = zoomedAt(view, number(0.3, 3), { x: number(0, 800), y: number(0, 600) }, PHOTO, STAGE);
        view = panned(view, number(-4000, 4000), number(-4000, 4000), PHOTO, STAGE);
        const width = PHOTO.width * view.scale;
        if (width + 2 * MARGIN <= STAGE.width) expect(view.left).toBeCloseTo((STAGE.width - width) / 2);
        else {
          expect(view.left).toBeLessThanOrEqual(MARGIN + 1e-9);
          expect(view.left + width).toBeGreaterThanOrEqual(STAGE.width - MARGIN - 1e-9);
        }
      }
    });
  });
});

describe("a box that gets the focus", () => {
  const view = zoomedAt(fit(PHOTO, STAGE), 5, { x: 400, y: 300 }, PHOTO, STAGE);

  it("comes into sight", () => {
    const box = sidesOf(100, 100, 300, 300);
    const { x_min, y_min, x_max, y_max } = partSeen(showing(view, box, PHOTO, STAGE), PHOTO, STAGE);
    expect(x_min).toBeLessThanOrEqual(box.x_min);
    expect(y_min).toBeLessThanOrEqual(box.y_min);
    expect(x_max).toBeGreaterThanOrEqual(box.x_max);
    expect(y_max).toBeGreaterThanOrEqual(box.y_max);
  });

  it("moves nothing where it is in sight already", () => {
    expect(showing(view, sidesOf(1950, 1450, 2050, 1550), PHOTO, STAGE)).toEqual(view);
  });
});
