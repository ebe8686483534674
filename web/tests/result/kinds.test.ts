import { describe, expect, it } from "vitest";
import { inOrder, kindOf, saveName } from "../../src/result/kinds";

describe("kinds of files", () => {
  it("tells files apart that end alike", () => {
    expect(kindOf("object-0.splats.ply")?.title).toBe("Splats, PLY");
    expect(kindOf("object-0.ply")?.title).toBe("PLY");
    expect(kindOf("scene.glb")?.title).toBe("Scene, GLB");
    expect(kindOf("object-12.glb")?.title).toBe("GLB");
    expect(kindOf("object-12.web.glb")?.title).toBe("GLB, compact");
  });

  it("knows a kind for each file that the container makes", () => {
    const ends = ["glb", "web.glb", "obj.zip", "stl", "ply", "usdz", "splats.ply", "mask.png"].map(
      (end) => `object-0.${end}`,
    );
    for (const name of [...ends, "scene.glb", "masks.png", "preview.png", "manifest.json"]) {
      expect(kindOf(name), name).not.toBeNull();
    }
  });

  it("lists the plain GLB first, the compact one after all other meshes, and last what it does not know", () => {
    const ends = ["new", "mask.png", "web.glb", "stl", "glb"];
    const names = ends.map((end) => ({ name: `object-0.${end}` }));
    expect(inOrder(names).map(({ name }) => name)).toEqual([
      "object-0.glb",
      "object-0.stl",
      "object-0.web.glb",
      "object-0.mask.png",
      "object-0.new",
    ]);
  });
});

describe("names of saved files", () => {
  it.each([
    ["object-0.glb", null, "object-0.glb"],
    ["object-0.glb", "", "object-0.glb"],
    ["object-0.web.glb", "cup", "cup.web.glb"],
    ["object-3.splats.ply", "cup and saucer", "cup-and-saucer.splats.ply"],
    ["object-0.stl", "../../etc/passwd", "etc-passwd.stl"],
    ["object-0.stl", "Tässchen ☕", "Tässchen.stl"],
    ["object-0.stl", "☕", "object-0.stl"],
    ["scene.glb", "cup", "scene.glb"],
  ])("%s of %s is %s", (name, label, saved) => {
    expect(saveName(name, label)).toBe(saved);
  });
});
