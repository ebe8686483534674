import { MeshoptEncoder } from "meshoptimizer/encoder";
import { Vector3, type Mesh } from "three";
import { describe, expect, it } from "vitest";
import { readModel } from "../../src/viewer/model";

interface Node {
  readonly translation?: readonly number[];
  readonly scale?: readonly number[];
  readonly camera?: number;
}

/** A GLB with a triangle of these corners, at these nodes, and a camera where asked for. */
function glb(corners: readonly (readonly [number, number, number])[], nodes: readonly Node[] = [{}]): ArrayBuffer {
  const binary = new Float32Array(corners.flat());
  const axes = [0, 1, 2].map((axis) => corners.map((corner) => corner[axis] ?? 0));
  const document = {
    asset: { version: "2.0" },
    scene: 0,
    scenes: [{ nodes: nodes.map((_, index) => index) }],
    nodes: nodes.map((node) => (node.camera === undefined ? { ...node, mesh: 0 } : node)),
    cameras: [{ type: "perspective", perspective: { yfov: 1, znear: 0.1 } }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0 } }] }],
    accessors: [
      {
        bufferView: 0,
        componentType: 5126,
        count: corners.length,
        type: "VEC3",
        min: axes.map((values) => Math.min(...values)),
        max: axes.map((values) => Math.max(...values)),
      },
    ],
    bufferViews: [{ buffer: 0, byteLength: binary.byteLength }],
    buffers: [{ byteLength: binary.byteLength }],
  };
  return glbOf(document, new Uint8Array(binary.buffer));
}

/** The same triangle as the compact file has it: whole numbers from 0 to 65535, packed. */
async function packedGlb(corners: readonly (readonly [number, number, number])[], scale: number): Promise<ArrayBuffer> {
  await MeshoptEncoder.ready;
  const plain = new Uint16Array(corners.flatMap((corner) => [...corner.map((value) => Math.round(value / scale)), 0]));
  const count = corners.length;
  const packed = MeshoptEncoder.encodeGltfBuffer(new Uint8Array(plain.buffer), count, 8, "ATTRIBUTES", 0);
  const extension = { buffer: 0, byteLength: packed.length, byteStride: 8, count, mode: "ATTRIBUTES" };
  const names = ["EXT_meshopt_compression", "KHR_mesh_quantization"];
  const document = {
    asset: { version: "2.0" },
    extensionsUsed: names,
    extensionsRequired: names,
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0, scale: [scale, scale, scale] }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0 } }] }],
    accessors: [{ bufferView: 0, componentType: 5123, count, type: "VEC3", min: [0, 0, 0], max: [0, 0, 0] }],
    bufferViews: [
      { buffer: 1, byteLength: plain.byteLength, byteStride: 8, extensions: { EXT_meshopt_compression: extension } },
    ],
    buffers: [
      { byteLength: packed.length },
      { byteLength: plain.byteLength, extensions: { EXT_meshopt_compression: { fallback: true } } },
    ],
  };
  return glbOf(document, packed);
}

function glbOf(document: unknown, binary: Uint8Array): ArrayBuffer {
  const json = JSON.stringify(document);
  const text = new TextEncoder().encode(json + " ".repeat(-json.length & 3));
  const padded = (binary.length + 3) & ~3;
  const whole = new ArrayBuffer(12 + 8 + text.length + 8 + padded);
  const view = new DataView(whole);
  const words = [0x46546c67, 2, whole.byteLength, text.length, 0x4e4f534a];
  words.forEach((word, at) => view.setUint32(at * 4, word, true));
  new Uint8Array(whole).set(text, 20);
  view.setUint32(20 + text.length, padded, true);
  view.setUint32(24 + text.length, 0x004e4942, true);
  new Uint8Array(whole).set(binary, 28 + text.length);
  return whole;
}

const TRIANGLE = [
  [0, 0, 0],
  [4, 0, 0],
  [0, 3, 0],
] as const;

describe("a model", () => {
  it("says how many faces and vertices it has, over all its objects", async () => {
    const model = await readModel(glb(TRIANGLE, [{}, { translation: [9, 9, 9] }]));
    expect(model.stats).toEqual({ faces: 2, vertices: 6 });
  });

  it.each([
    ["tiny and far away", { translation: [700, -3, 1e4], scale: [1e-2, 1e-2, 1e-2] }],
    ["huge", { scale: [1e5, 1e5, 1e5] }],
  ])("fills the unit sphere, be it %s", async (_, node) => {
    const { root } = await readModel(glb(TRIANGLE, [node]));
    root.updateMatrixWorld(true);
    const mesh = root.getObjectByProperty("isMesh", true);
    const far = TRIANGLE.map((corner) => mesh?.localToWorld(new Vector3(...corner)).length() ?? 0);
    expect(Math.max(...far)).toBeCloseTo(1, 3);
  });

  it("is the same where it comes packed", async () => {
    const { root, stats } = await readModel(await packedGlb(TRIANGLE, 1 / 8192));
    expect(stats).toEqual({ faces: 1, vertices: 3 });
    root.updateMatrixWorld(true);
    const mesh = root.getObjectByProperty("isMesh", true) as Mesh;
    const positions = mesh.geometry.getAttribute("position");
    TRIANGLE.forEach(([x, y, z], at) => {
      const found = new Vector3().fromBufferAttribute(positions, at).applyMatrix4(mesh.matrixWorld);
      const there = new Vector3(x - 2, y - 1.5, z).multiplyScalar(1 / 2.5);
      expect(found.distanceTo(there)).toBeLessThan(1e-3);
    });
  });

  it("is seen from the photo's camera first", async () => {
    const model = await readModel(glb(TRIANGLE, [{}, { camera: 0, translation: [12, 1.5, 0] }]));
    expect(model.front).toEqual([expect.closeTo(1), expect.closeTo(0), expect.closeTo(0)]);
  });

  it.each([
    ["no GLB", new TextEncoder().encode("<html></html>").buffer],
    ["empty", new ArrayBuffer(0)],
    [
      "a mere point",
      glb([
        [1, 1, 1],
        [1, 1, 1],
        [1, 1, 1],
      ]),
    ],
  ])("is refused in words where it is %s", async (_, data) => {
    await expect(readModel(data)).rejects.toMatchObject({ code: "model_unreadable" });
  });
});
