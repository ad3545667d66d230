import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { writing } from "../../src/core/file-system-error.ts";
import { exists } from "../../src/host/exists.ts";

/**
 * Lets `work` have a file of credentials that nobody else can read, and that is gone afterwards. oras takes them from a file or
 * from its command line, which everybody on the host can read. What a killed run left is removed by the next.
 */
export async function withAuthFile<T>(storeRoot: string, text: string, work: (path: string) => Promise<T>): Promise<T> {
  const folder = join(storeRoot, "publish", "auth");
  const path = join(folder, `${process.pid}-${randomUUID()}.json`);
  await writing(folder, async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await removeLeftovers(folder);
    await writeFile(path, text, { mode: 0o600, flag: "wx" });
  });
  try {
    return await work(path);
  } finally {
    await rm(path, { force: true });
  }
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [pid = ""] = name.split("-");
    if (!(await exists(`/proc/${pid}`))) await rm(join(folder, name), { force: true });
  }
}
