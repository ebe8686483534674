// glTF Transform as an independent reader: for every line of standard input, a GLB in base64, it prints the same scene as
// a GLB in base64 without compression and with plain floats in place of quantised numbers. Each node's matrix stands in
// its extras, for the writer takes a translation under 0.00001 for none.
import { createInterface } from "node:readline";
import { NodeIO } from "@gltf-transform/core";
import { ALL_EXTENSIONS } from "@gltf-transform/extensions";
import { MeshoptDecoder } from "meshoptimizer";

const io = new NodeIO()
  .registerExtensions(ALL_EXTENSIONS)
  .registerDependencies({ "meshopt.decoder": MeshoptDecoder });
await MeshoptDecoder.ready;
const lost = new Set(["EXT_meshopt_compression", "KHR_mesh_quantization"]);

for await (const line of createInterface({ input: process.stdin })) {
  const document = await io.readBinary(new Uint8Array(Buffer.from(line, "base64")));
  const root = document.getRoot();
  for (const mesh of root.listMeshes()) {
    for (const primitive of mesh.listPrimitives()) primitive.listAttributes().forEach(toFloats);
  }
  for (const node of root.listNodes()) node.setExtras({ matrix: node.getWorldMatrix() });
  for (const extension of root.listExtensionsUsed()) {
    if (lost.has(extension.extensionName)) extension.dispose();
  }
  console.log(Buffer.from(await io.writeBinary(document)).toString("base64"));
}

function toFloats(accessor) {
  const size = accessor.getElementSize();
  const floats = new Float32Array(accessor.getCount() * size);
  for (let index = 0; index < accessor.getCount(); index++) {
    floats.set(accessor.getElement(index, []), index * size);
  }
  accessor.setArray(floats).setNormalized(false);
}
