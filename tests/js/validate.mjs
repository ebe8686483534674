// Prints one JSON report of the Khronos validator for every GLB named on the command line, a line each.
import { readFile } from "node:fs/promises";
import validator from "gltf-validator";

for (const path of process.argv.slice(2)) {
  const glb = new Uint8Array(await readFile(path));
  console.log(JSON.stringify(await validator.validateBytes(glb, { uri: path, format: "glb" })));
}
