import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDigest, type Digest } from "../core/digest.ts";
import { writing } from "../core/file-system-error.ts";
import { writeFileAtomic } from "../store/atomic.ts";

/**
 * SHA-256 of a raw disk, zeros included: the same for a disk however it is packed. Reading it takes seconds for each GiB, so it is
 * remembered by the digest of the file.
 *
 * @param read gives the raw bytes.
 */
export async function contentDigest(
  { storeRoot, file }: { readonly storeRoot: string; readonly file: Digest },
  read: () => AsyncIterable<Uint8Array>,
): Promise<Digest> {
  const path = join(storeRoot, "publish", "content", file.replace(":", "-"));
  const known = (await readFile(path, "utf8").catch(() => "")).trim();
  if (isDigest(known)) return known;
  const hash = createHash("sha256");
  for await (const piece of read()) hash.update(piece);
  const digest: Digest = `sha256:${hash.digest("hex")}`;
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, `${digest}\n`);
  });
  return digest;
}
