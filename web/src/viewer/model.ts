/** The bytes of a GLB become what three.js draws, in three ways. Knows neither camera nor page. */

import {
  Box3,
  Group,
  Mesh,
  MeshBasicMaterial,
  MeshStandardMaterial,
  Texture,
  Vector3,
  type Material,
  type Object3D,
} from "three";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { Problem } from "../api/problem";
import { frontOf, lineOpacity, type Point } from "./framing";

export type Mode = "textured" | "plain" | "wireframe";

export interface ModelStats {
  readonly faces: number;
  readonly vertices: number;
}

export interface Model {
  /** Within the unit sphere around the origin, y up. */
  readonly root: Object3D;
  readonly stats: ModelStats;
  /** A unit vector to where the photo was taken from. */
  readonly front: Point;
  setMode(mode: Mode): void;
  dispose(): void;
}

const CLAY = 0xb4b2ad;

/**
 * Reads a GLB with its textures, be it plain or packed with EXT_meshopt_compression.
 *
 * @throws Problem `model_unreadable`.
 */
export async function readModel(data: ArrayBuffer): Promise<Model> {
  let file;
  try {
    file = await new GLTFLoader().setMeshoptDecoder(MeshoptDecoder).parseAsync(data, "");
  } catch (cause) {
    throw unreadable(cause);
  }
  const meshes: Mesh[] = [];
  file.scene.traverse((node) => {
    if (node instanceof Mesh) meshes.push(node as Mesh);
  });
  file.scene.updateMatrixWorld(true);
  const centre = new Box3().setFromObject(file.scene, true).getCenter(new Vector3());
  const scale = 1 / Math.max(...meshes.map((mesh) => farthest(mesh, centre)));
  if (!(scale > 0 && Number.isFinite(scale))) {
    disposeAll(meshes);
    throw unreadable(new Error("it has no extent"));
  }
  const lens = file.cameras[0];
  const front = frontOf(lens ? lens.getWorldPosition(new Vector3()).toArray() : null, centre.toArray());
  // OrbitControls takes steps below a fixed length for none: in a unit sphere, the model's own units do not matter.
  const root = new Group();
  root.add(file.scene);
  root.scale.setScalar(scale);
  root.position.copy(centre).multiplyScalar(-scale);

  const stats = {
    faces: sum(meshes, facesOf),
    vertices: sum(meshes, (mesh) => mesh.geometry.getAttribute("position").count),
  };
  const own = new Map(meshes.map((mesh) => [mesh, mesh.material]));
  // Pushed back a little, so that the lines on it are in front of it.
  const clay = new MeshStandardMaterial({
    color: CLAY,
    roughness: 0.85,
    polygonOffset: true,
    polygonOffsetFactor: 1,
    polygonOffsetUnits: 1,
  });
  const ink = new MeshBasicMaterial({
    color: 0x14202e,
    wireframe: true,
    transparent: true,
    depthWrite: false,
    opacity: lineOpacity(stats.faces),
    toneMapped: false,
  });
  const lines: Mesh[] = [];

  return {
    root,
    stats,
    front,
    setMode(mode) {
      for (const mesh of meshes) mesh.material = mode === "textured" ? (own.get(mesh) ?? clay) : clay;
      if (mode === "wireframe" && lines.length === 0) {
        for (const mesh of meshes) {
          const line = new Mesh(mesh.geometry, ink);
          lines.push(line);
          mesh.add(line);
        }
      }
      for (const line of lines) line.visible = mode === "wireframe";
    },
    dispose() {
      for (const [mesh, material] of own) mesh.material = material;
      disposeAll(meshes);
      clay.dispose();
      ink.dispose();
    },
  };
}

/** From the centre to the vertex that is farthest from it. */
function farthest(mesh: Mesh, centre: Vector3): number {
  const positions = mesh.geometry.getAttribute("position");
  const vertex = new Vector3();
  let most = 0;
  for (let at = 0; at < positions.count; at += 1) {
    vertex.fromBufferAttribute(positions, at).applyMatrix4(mesh.matrixWorld);
    most = Math.max(most, vertex.distanceToSquared(centre));
  }
  return Math.sqrt(most);
}

function facesOf(mesh: Mesh): number {
  return (mesh.geometry.index ?? mesh.geometry.getAttribute("position")).count / 3;
}

function sum<T>(over: readonly T[], of: (one: T) => number): number {
  return over.reduce((total, one) => total + of(one), 0);
}

function unreadable(cause: unknown): Problem {
  const problem = new Problem(
    "model_unreadable",
    "This model cannot be shown here. Download it and open it elsewhere.",
  );
  problem.cause = cause;
  return problem;
}

/** Gives back what three.js keeps on the graphics card, and decoded pictures, which nobody else frees. */
function disposeAll(meshes: readonly Mesh[]): void {
  for (const mesh of meshes) {
    mesh.geometry.dispose();
    for (const material of [mesh.material].flat()) disposeMaterial(material);
  }
}

function disposeMaterial(material: Material): void {
  for (const value of Object.values(material) as unknown[]) {
    if (!(value instanceof Texture)) continue;
    const picture: unknown = value.source.data;
    if (typeof ImageBitmap !== "undefined" && picture instanceof ImageBitmap) picture.close();
    value.dispose();
  }
  material.dispose();
}
