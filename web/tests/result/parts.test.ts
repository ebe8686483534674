import { describe, expect, it } from "vitest";
import { firstToShow, nameOf, partsOf, sameFiles } from "../../src/result/parts";
import type { Schemas } from "../../src/types";

type Job = Schemas["Job"];

const file = (name: string, bytes = 10): Schemas["File"] => ({
  name,
  bytes,
  media_type: null,
  url: `https://s3.example/${name}?signed`,
});

const object = (index: number, change: Partial<Schemas["Object"]> = {}): Schemas["Object"] => ({
  index,
  label: null,
  status: "unfinished",
  files: [],
  error: null,
  ...change,
});

const made = (index: number): Schemas["Object"] =>
  object(index, { status: "succeeded", files: [file(`object-${index}.glb`), file(`object-${index}.mask.png`)] });

const job = (objects: readonly Schemas["Object"][], change: Partial<Job> = {}): Job => ({
  boxes: objects.map(() => ({ x_min: 0, y_min: 0, x_max: 9, y_max: 9 })),
  created_at: "2026-01-01T00:00:00Z",
  ended_at: null,
  engine: null,
  error: null,
  files: [],
  id: "a",
  image_url: null,
  label: null,
  objects,
  options: { formats: ["glb"], quality: "standard", normal_map: false, scene: true, seed: 0 },
  object: null,
  percent: 0,
  thumbnail_url: null,
  preview: false,
  schema_version: "1.0",
  stage: null,
  status: "running",
  ...change,
});

const ENDED = { ended_at: "2026-01-01T00:01:00Z", status: "succeeded" } as const;

describe("an object", () => {
  const stateOf = (one: Schemas["Object"], change: Partial<Job> = {}): string | undefined =>
    partsOf(job([one], change))[0]?.state;

  it("grows from nothing to its outline to its model while the job runs", () => {
    expect(stateOf(object(0))).toBe("waiting");
    expect(stateOf(object(0, { files: [file("object-0.mask.png")] }))).toBe("outlined");
    expect(stateOf(object(0, { files: [file("object-0.glb"), file("object-0.mask.png")] }))).toBe("made");
  });

  it("is failed even where its mask was found", () => {
    const error = { code: "mask_empty", message: "Nothing there.", details: {} };
    expect(stateOf(object(0, { status: "failed", files: [file("object-0.mask.png")], error }))).toBe("failed");
  });

  it("is absent where the job ended before it was made", () => {
    expect(stateOf(object(0, { files: [file("object-0.mask.png")] }), { ...ENDED, status: "cancelled" })).toBe(
      "absent",
    );
  });

  it("is made where it has no mesh to show", () => {
    const [part] = partsOf(job([object(0, { files: [file("object-0.splats.ply")] })]));
    expect(part?.model).toBeNull();
    expect(part?.state).toBe("made");
  });

  it.each([
    ["the compact file, wherever it stands", ["object-0.web.glb", "object-0.glb"], "object-0.web.glb"],
    ["the compact file, wherever it stands", ["object-0.glb", "object-0.web.glb"], "object-0.web.glb"],
    ["the plain file, where there is no other, as in older jobs", ["object-0.glb"], "object-0.glb"],
  ])("shows %s; other programs get the plain one", (_, names, shown) => {
    const [part] = partsOf(job([object(0, { files: names.map((name) => file(name)) })]));
    expect(part?.model?.name).toBe(shown);
    expect(part?.plain?.name).toBe("object-0.glb");
  });

  it("is called by its number, and by its label where it has one", () => {
    const names = partsOf(job([object(0), object(1, { label: "cup" }), object(2, { label: "" })])).map(nameOf);
    expect(names).toEqual(["Object 1", "Object 2, cup", "Object 3"]);
  });
});

describe("the scene", () => {
  const files = [file("scene.glb"), file("masks.png")];

  it("is a part of its own where it holds several objects", () => {
    const parts = partsOf(job([made(0), made(1)], { ...ENDED, files }));
    expect(parts.map((part) => part.key)).toEqual(["object-0", "object-1", "scene"]);
  });

  it("is none where it is but the one object", () => {
    expect(partsOf(job([made(0)], { ...ENDED, files }))).toHaveLength(1);
  });
});

describe("what is shown first", () => {
  const scene = { ...ENDED, files: [file("scene.glb")] };

  it("is the first object that is there, and stays while others come", () => {
    const early = partsOf(job([object(0), made(1)]));
    expect(firstToShow(early, null, false)).toBe("object-1");
    expect(firstToShow(partsOf(job([made(0), made(1)])), "object-1", false)).toBe("object-1");
    expect(firstToShow(partsOf(job([made(0), made(1)], scene)), "object-1", true)).toBe("object-1");
  });

  it("is the scene of a job that was done before", () => {
    expect(firstToShow(partsOf(job([made(0), made(1)], scene)), null, true)).toBe("scene");
  });

  it("is the one object that did not fail", () => {
    const failed = object(0, { status: "failed" });
    expect(firstToShow(partsOf(job([failed, made(1)], scene)), null, true)).toBe("object-1");
  });

  it("is the first object where there is nothing yet", () => {
    expect(firstToShow(partsOf(job([object(0), object(1)])), null, false)).toBe("object-0");
  });
});

it("takes files for the same when only their links are new", () => {
  const old = [file("a.glb")];
  expect(sameFiles(old, [{ ...file("a.glb"), url: "https://s3.example/a.glb?later" }])).toBe(true);
  expect(sameFiles(old, [file("a.glb", 11)])).toBe(false);
  expect(sameFiles(old, [file("a.glb"), file("b.stl")])).toBe(false);
});
