import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const FOLDER = join(import.meta.dirname, "../../golden/bump");

/** Compares with `test/golden/bump/<name>`, or writes it when KVCI_UPDATE_GOLDENS says so. */
export async function assertGolden(name: string, text: string): Promise<void> {
  const path = join(FOLDER, name);
  if (process.env["KVCI_UPDATE_GOLDENS"] === "1") {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  assert.equal(text, await readFile(path, "utf8"));
}
