import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { readSource } from "../../../../src/cli/template-loader/source-digest.ts";
import { sha256 } from "../../../../src/core/digest.ts";
import { templateFolders } from "./template-folder.ts";

const TREE = { "tree/a": "1", "tree/b/c": "2", "tree/b/d": "33" };

describe("source digest", () => {
  const templateFolder = templateFolders();

  it("of a file is that of its bytes, whatever its mode", async () => {
    const folder = await templateFolder({ a: "abc" });
    const path = join(folder.path, "a");
    assert.deepEqual(await readSource(path), { absolutePath: path, bytes: 3, digest: sha256("abc") });
    await chmod(path, 0o755);
    assert.equal((await readSource(path)).digest, sha256("abc"));
  });

  it("of a link is that of the file it points to", async () => {
    const folder = await templateFolder({ a: "abc" });
    await symlink("a", join(folder.path, "b"));
    assert.deepEqual(await readSource(join(folder.path, "b")), await readSource(join(folder.path, "a")));
  });

  it("of a tree is the same for equal trees anywhere, whatever their times, owners and umask", async () => {
    const one = await templateFolder(TREE);
    const other = await templateFolder(Object.fromEntries(Object.entries(TREE).reverse()));
    await utimes(join(other.path, "tree/a"), 1, 1);
    await chmod(join(other.path, "tree/a"), 0o600);
    const [a, b] = [await readSource(join(one.path, "tree")), await readSource(join(other.path, "tree"))];
    assert.deepEqual([a.digest, a.bytes], [b.digest, 4]);
  });

  const changes: Readonly<Record<string, (tree: string) => Promise<unknown>>> = {
    "a file's content": (tree) => writeFile(join(tree, "a"), "2"),
    "a file's name": (tree) => rename(join(tree, "a"), join(tree, "aa")),
    "a file's place": (tree) => rename(join(tree, "b/c"), join(tree, "c")),
    "the executable bit": (tree) => chmod(join(tree, "a"), 0o755),
    "an empty folder": (tree) => mkdir(join(tree, "empty")),
    "a file that is gone": (tree) => rm(join(tree, "a")),
    "a link": (tree) => symlink("a", join(tree, "l")),
    "a link that points nowhere": (tree) => symlink("/nowhere", join(tree, "l")),
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`of a tree changes with ${what}`, async () => {
      const folder = await templateFolder(TREE);
      const tree = join(folder.path, "tree");
      const before = await readSource(tree);
      await change(tree);
      assert.notEqual((await readSource(tree)).digest, before.digest);
    });
  }

  it("of a tree changes with a link's target", async () => {
    const folder = await templateFolder(TREE);
    const link = join(folder.path, "tree/l");
    await symlink("a", link);
    const before = await readSource(join(folder.path, "tree"));
    await rm(link);
    await symlink("b", link);
    assert.notEqual((await readSource(join(folder.path, "tree"))).digest, before.digest);
  });

  it("is refused to a socket, alone and in a tree", async () => {
    const folder = await templateFolder(TREE);
    const server = createServer().listen(join(folder.path, "tree/s"));
    try {
      await once(server, "listening");
      const refusal = { code: "template-invalid", message: /tree\/s" is a socket$/ };
      await assert.rejects(readSource(join(folder.path, "tree/s")), refusal);
      await assert.rejects(readSource(join(folder.path, "tree")), refusal);
    } finally {
      server.close();
    }
  });

  it("stops when it is told to", async () => {
    const folder = await templateFolder({ a: "abc" });
    await assert.rejects(readSource(join(folder.path, "a"), AbortSignal.abort()), { code: "interrupted" });
  });
});
