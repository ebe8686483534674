import { describe, expect, it } from "vitest";
import {
  eased,
  FIT_DISTANCE,
  frontOf,
  lineOpacity,
  turned,
  verticalDegrees,
  VIEW_ANGLE,
} from "../../src/viewer/framing";

/** The angle under which a unit sphere at the origin is seen from this distance. */
const seen = (distance: number): number => 2 * Math.asin(1 / distance);

describe("the camera's angle of view", () => {
  it.each([0.4, 0.75, 1, 4 / 3, 2.5])("takes the whole unit sphere in at a width of %f heights", (aspect) => {
    const vertical = (verticalDegrees(aspect) * Math.PI) / 180;
    const horizontal = 2 * Math.atan(Math.tan(vertical / 2) * aspect);
    expect(seen(FIT_DISTANCE)).toBeLessThan(Math.min(vertical, horizontal));
    expect(Math.min(vertical, horizontal)).toBeCloseTo(VIEW_ANGLE);
  });
});

describe("the front", () => {
  it("is glTF's own without a camera", () => {
    expect(frontOf(null, [5, 6, 7])).toEqual([0, 0, 1]);
  });

  it("is where the photo's camera stands, at a distance of one", () => {
    const [x, y, z] = frontOf([1, 2, 10], [1, -1, 6]);
    expect([x, y, z]).toEqual([0, expect.closeTo(0.6), expect.closeTo(0.8)]);
  });

  it.each([
    ["in the centre", [1, 1, 1]],
    ["straight above", [1, 9, 1]],
  ] as const)("is glTF's own where the camera is %s", (_, camera) => {
    expect(frontOf(camera, [1, 1, 1])).toEqual([0, 0, 1]);
  });
});

describe("a turn", () => {
  it("goes around the upright axis, to the right first", () => {
    const [x, y, z] = turned([0, 0.3, 1], Math.PI / 2);
    expect([x, y, z]).toEqual([expect.closeTo(1), 0.3, expect.closeTo(0)]);
  });

  it("begins and ends where it stands, and never goes back", () => {
    expect([eased(-1), eased(0), eased(0.5), eased(1), eased(2)]).toEqual([0, 0, 0.5, 1, 1]);
    const steps = Array.from({ length: 101 }, (_, step) => eased(step / 100));
    expect(steps).toEqual(steps.toSorted((one, other) => one - other));
  });
});

describe("the lines of a wireframe", () => {
  it("are the fainter the more there are, and always seen", () => {
    const few = lineOpacity(12);
    const many = lineOpacity(50_000);
    expect(few).toBeGreaterThan(many);
    expect(many).toBeGreaterThan(0.25);
    expect(few).toBeLessThanOrEqual(1);
  });
});
