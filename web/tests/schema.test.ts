import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, test } from "vitest";

const PAGE = join(import.meta.dirname, "..");
const TYPES = "src/api/schema.ts";

test("the types are those of the contract: `npm run types` changes nothing", { timeout: 60_000 }, async () => {
  const { scripts } = JSON.parse(await readFile(join(PAGE, "package.json"), "utf8")) as { scripts: { types: string } };
  const [command, ...given] = scripts.types.split(" ");
  const folder = await mkdtemp(join(tmpdir(), "gen3d-types-"));
  try {
    const made = join(folder, "schema.ts");
    const command_line = [
      join(PAGE, "node_modules/.bin", command ?? ""),
      ...given.map((one) => (one === TYPES ? made : one)),
    ];
    await promisify(execFile)(process.execPath, command_line, { cwd: PAGE });
    expect(await readFile(join(PAGE, TYPES), "utf8")).toBe(await readFile(made, "utf8"));
  } finally {
    await rm(folder, { recursive: true });
  }
});
