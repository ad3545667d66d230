import assert from "node:assert/strict";
import fc from "fast-check";
import { layerEntries, type LayerFile } from "../../../src/oci/layer-entries.ts";

const file = (path: string): LayerFile => ({ path, content: "", mode: 0o644, uid: 0, gid: 0 });
const paths = (...files: readonly string[]): string[] =>
  layerEntries({ files: files.map(file) }).map(({ entry }) => entry.path);

describe("layer entries", () => {
  it("lists every parent directory before what is in it", () => {
    assert.deepEqual(paths("a/b/c", "a-b", "a/d"), ["a", "a-b", "a/b", "a/b/c", "a/d"]);
  });

  it("gives parents that are not listed mode 0755 and root", () => {
    assert.deepEqual(layerEntries({ files: [file("a/b")] })[0], {
      kind: "directory",
      entry: { path: "a", mode: 0o755, uid: 0, gid: 0 },
    });
  });

  it("keeps the mode and owner of a directory that is listed", () => {
    const disk = { path: "disk", mode: 0o555, uid: 107, gid: 107 };
    assert.deepEqual(layerEntries({ files: [file("disk/x")], directories: [disk] })[0], {
      kind: "directory",
      entry: disk,
    });
  });

  it("does not depend on the order of files", () => {
    const name = fc.stringMatching(/^[a-c-]{1,3}$/);
    const path = fc.array(name, { minLength: 1, maxLength: 2 }).map((parts) => ["root", ...parts, "x"].join("/"));
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 8 }), (list) => {
        const usable = list.filter((one) => !list.some((other) => other.startsWith(`${one}/`)));
        assert.deepEqual(paths(...usable), paths(...[...usable].reverse()));
      }),
    );
  });

  for (const path of ["", "/etc/motd", "../x", "a/../b", "a//b", "./a", "a/", "a\nb", "a\0b", "\ud800"]) {
    it(`refuses the path ${JSON.stringify(path)}`, () => {
      assert.throws(() => paths(path), { code: "internal" });
    });
  }

  it("refuses a path that is there twice, and one below a file", () => {
    assert.throws(() => paths("a", "a"), { code: "internal", message: /twice/ });
    assert.throws(() => paths("a", "a/b"), { code: "internal", message: /below the file/ });
  });
});
