import assert from "node:assert/strict";
import { convertLayer, NotConvertible } from "../../../src/images/overlay-layer.ts";
import { convert, convertChain, dir, file, hardlink, inPieces, symlink, TAR_END, type Entry } from "./layer-tar.ts";

const ROOT = "directory 0755 0:0 fs/";

async function linesOf(...layers: readonly (readonly Entry[])[]): Promise<readonly string[]> {
  return (await convertChain(...layers)).lines;
}

async function refuses(message: RegExp, ...layers: readonly (readonly Entry[])[]): Promise<void> {
  await assert.rejects(convertChain(...layers), (error: unknown) => {
    assert.ok(error instanceof NotConvertible, String(error));
    assert.match(error.message, message);
    return true;
  });
}

describe("overlay layer's files", () => {
  it("are the layer's, below its folder", async () => {
    const capability = { xattrs: new Map([["security.capability", "\x01\0\0\x02\xff\n="]]) };
    const layer = [
      dir("bin", { mode: 0o1777, uid: 3, gid: 4 }),
      file("bin/su", { mode: 0o4755, content: "#!", uid: 3_000_000 }),
      file("bin/ping", capability),
      symlink("bin/sh", "/bin/su"),
      hardlink("bin/sudo", "bin/su", { mode: 0o4755, uid: 3_000_000 }),
      file("pipe", { type: "fifo" }),
      file("disk", { type: "block-device", deviceMajor: 259, deviceMinor: 70_000 }),
      file("tty", { type: "character-device", deviceMajor: 4, deviceMinor: 1 }),
    ];
    assert.deepEqual(await linesOf(layer), [
      ROOT,
      "directory 1777 3:4 fs/bin/",
      'file 4755 3000000:0 fs/bin/su "#!"',
      "file 0644 0:0 fs/bin/ping security.capability=\x01\0\0\x02\xff\n=",
      "symlink 0777 0:0 fs/bin/sh -> /bin/su",
      "hardlink 4755 3000000:0 fs/bin/sudo -> fs/bin/su",
      "fifo 0644 0:0 fs/pipe",
      "block-device 0644 0:0 fs/disk 259/70000",
      "character-device 0644 0:0 fs/tty 4/1",
    ]);
  });

  it("keep their times, also parts of a second", async () => {
    const times = ["1700000000", "1700000000.25", "-5", "99999999999"];
    const { members } = await convert(times.map((mtime, at) => file(String(at), { mtime })));
    assert.deepEqual(
      members.slice(1).map(({ mtime }) => mtime),
      ["1700000000", "1700000000.25", "0", "0"],
    );
  });

  it("have clean paths", async () => {
    const paths = ["./a", "/b", "c//", "d/./e/../f", "/.//x"];
    const { members } = await convert(paths.map((path) => dir(path)));
    assert.deepEqual(
      members.map(({ path }) => path),
      ["fs/", "fs/a/", "fs/b/", "fs/c/", "fs/d/", "fs/d/f/", "fs/x/"],
    );
  });

  it("may not lead outside", async () => {
    for (const path of ["..", "../x", "a/../../x", "/../x"]) {
      await assert.rejects(convert([file(path)]), { code: "layout-invalid", message: /which leads outside/ });
    }
    const link = [file("a"), hardlink("b", "../a")];
    await assert.rejects(convert(link), { code: "layout-invalid", message: /"\.\.\/a", which leads outside/ });
  });

  it("leave the root as containerd makes it, whatever the layer says of it", async () => {
    assert.deepEqual(await linesOf([dir(".", { mode: 0o700, uid: 9 })]), [ROOT]);
  });

  it("follow symbolic links of their own layer", async () => {
    const layer = [dir("usr"), symlink("lib", "usr/lib"), file("lib/a"), hardlink("b", "lib/a")];
    assert.deepEqual((await linesOf(layer)).slice(-3), [
      "directory 0755 0:0 fs/usr/lib/",
      "file 0644 0:0 fs/usr/lib/a",
      "hardlink 0644 0:0 fs/b -> fs/usr/lib/a",
    ]);
  });

  it("get no attributes that containerd does not set", async () => {
    const xattrs = new Map(["trusted.overlay.opaque", "user.a"].map((name) => [name, "y"]));
    assert.deepEqual(await linesOf([dir("d", { xattrs }), { ...symlink("l", "d"), xattrs }]), [
      ROOT,
      "directory 0755 0:0 fs/d/ user.a=y",
      "symlink 0777 0:0 fs/l -> d",
    ]);
  });
});

describe("overlay layer's parent directories", () => {
  const lower = [dir("srv", { mode: 0o2770, uid: 5, gid: 6, mtime: "7" }), dir("srv/a", { mode: 0o700 })];

  it("have the attributes they have below", async () => {
    const { members, lines } = await convertChain(lower, [file("other")], [file("srv/a/f")]);
    assert.deepEqual(lines.slice(1), [
      "directory 2770 5:6 fs/srv/",
      "directory 0700 0:0 fs/srv/a/",
      "file 0644 0:0 fs/srv/a/f",
    ]);
    assert.equal(members[1]?.mtime, "7");
  });

  it("have those of where a symbolic link below leads", async () => {
    const lines = await linesOf([...lower, symlink("link", "/srv")], [file("link/f")]);
    assert.equal(lines[1], "directory 2770 5:6 fs/link/");
  });

  it("are root's, 0755, when there are none", async () => {
    assert.deepEqual((await linesOf([file("a/f")])).slice(1), ["directory 0755 0:0 fs/a/", "file 0644 0:0 fs/a/f"]);
  });

  it("are forgotten when a layer between hides them", async () => {
    const hiding: readonly (readonly Entry[])[] = [
      [file(".wh.srv")],
      [file("srv")],
      [symlink("srv", "nowhere")],
      [file("srv/.wh..wh..opq")],
      [file("srv/.wh.a")],
      [file(".wh.srv"), dir("srv")],
    ];
    for (const layer of hiding) {
      const lines = await linesOf(lower, layer, [file("srv/a/f")]);
      assert.ok(lines.includes("directory 0755 0:0 fs/srv/a/"), lines.join("\n"));
    }
  });

  it("stay known under an opaque directory when its own layer has them", async () => {
    const lines = await linesOf(lower, [dir("srv/a/b"), dir("srv"), file("srv/.wh..wh..opq")], [file("srv/a/f")]);
    assert.deepEqual(lines.slice(1, 3), ["directory 0755 0:0 fs/srv/", "directory 0700 0:0 fs/srv/a/"]);
  });

  it("of a layer are not changed by those above it", async () => {
    const { directories } = await convertChain(lower);
    for (const layer of [[file(".wh.srv")], [dir("srv"), dir("srv/a", { mode: 0o711 })], [file("srv/.wh..wh..opq")]]) {
      await convert(layer, directories);
    }
    assert.equal((await convert([file("srv/a/f")], directories)).lines[2], "directory 0700 0:0 fs/srv/a/");
  });
});

describe("overlay layer's whiteout", () => {
  it("is a character device 0/0 in place of what is gone", async () => {
    assert.deepEqual(await linesOf([file("a/.wh.b", { uid: 1, gid: 2 })]), [
      ROOT,
      "directory 0755 0:0 fs/a/",
      "character-device 0000 1:2 fs/a/b 0/0",
    ]);
  });

  it("may be replaced by a file, or by a directory that hides what is below", async () => {
    const lines = await linesOf([file(".wh.a"), file("a"), file(".wh.b"), dir("b"), file("b/f")]);
    assert.deepEqual(lines.slice(2, 6), [
      "file 0644 0:0 fs/a",
      "character-device 0000 0:0 fs/b 0/0",
      "directory 0755 0:0 fs/b/ trusted.overlay.opaque=y",
      "file 0644 0:0 fs/b/f",
    ]);
  });

  it("of a whole directory's content makes it opaque, wherever the mark comes", async () => {
    const opaque = "directory 0750 1:1 fs/a/ trusted.overlay.opaque=y";
    const a = dir("a", { mode: 0o750, uid: 1, gid: 1 });
    const mark = file("a/.wh..wh..opq");
    assert.equal((await linesOf([a, mark, file("a/f")]))[2], opaque);
    assert.equal((await linesOf([a, file("a/f"), mark])).at(-1), opaque);
    assert.equal((await linesOf([a], [mark])).at(-1), opaque);
    assert.equal((await linesOf([mark, a])).at(-1), opaque);
    assert.equal((await linesOf([file(".wh..wh..opq")])).at(-1), `${ROOT} trusted.overlay.opaque=y`);
  });

  it("is nothing when it is bookkeeping of aufs", async () => {
    assert.deepEqual(await linesOf([file(".wh..wh.aufs"), dir(".wh..wh.plnk"), file(".wh..wh.plnk/1.2")]), [ROOT]);
  });
});

describe("layer that only containerd can unpack", () => {
  const long = "x".repeat(256);
  const refused: Readonly<Record<string, readonly [message: RegExp, layer: readonly Entry[]]>> = {
    "has a hard link to a lower layer's file": [/hard link "b" to "a", which is no file in it/, [hardlink("b", "a")]],
    "has a hard link to a directory": [/which is no file in it/, [dir("a"), hardlink("b", "a")]],
    "gives one file two sets of attributes": [/"b" and "a", one file/, [file("a"), hardlink("b", "a", { mode: 0 })]],
    "deletes its own file": [/deletes "a", which it holds itself/, [file("a"), file(".wh.a")]],
    "deletes something twice": [/deletes "a", which it holds itself/, [file(".wh.a"), file(".wh.a")]],
    "replaces its own directory": [/its own directory "a"/, [dir("a"), file("a")]],
    "replaces its own file by a directory": [/its own file "a" by a directory/, [file("a"), dir("a")]],
    "replaces its own symbolic link": [/its own symbolic link "a"/, [symlink("a", "b"), file("a")]],
    "has a file in a file": [/holds something in "a"/, [file("a"), file("a/b")]],
    "has a file in a whiteout": [/inside of a whiteout/, [file(".wh.a/b")]],
    "deletes nothing": [/whiteout ".wh." of nothing/, [file("a/.wh.")]],
    "has links in circles": [/in circles/, [symlink("a", "b"), symlink("b", "a"), file("a/f")]],
    "has a name no file system holds": [/too long/, [file(long)]],
    "has a symbolic link to nothing": [/target of 0 bytes/, [symlink("a", "")]],
    "has an owner no file can have": [/owner 4294967295:0/, [file("a", { uid: 0xffffffff })]],
  };
  for (const [what, [message, layer]] of Object.entries(refused)) {
    it(what, () => refuses(message, layer));
  }

  it("is of a media type that is no tar", async () => {
    const options = { folder: "fs", below: undefined, write: () => Promise.resolve(), signal: AbortSignal.any([]) };
    const mediaType = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    await assert.rejects(convertLayer(inPieces(TAR_END), { ...options, mediaType }), NotConvertible);
  });
});

describe("file twice in a layer", () => {
  it("is replaced, and counts once", async () => {
    const { lines, bytes, inodes } = await convert([file("a", { content: "old" }), file("a", { content: "new" })]);
    assert.deepEqual(lines.slice(1), ['file 0644 0:0 fs/a "old"', 'file 0644 0:0 fs/a "new"']);
    assert.deepEqual([bytes, inodes], [2 * 4096, 2]);
  });

  it("lives on in a hard link", async () => {
    const { bytes, inodes } = await convert([file("a", { content: "old" }), hardlink("b", "a"), file("a")]);
    assert.deepEqual([bytes, inodes], [2 * 4096, 3]);
  });
});

describe("overlay layer's size", () => {
  it("is that of its blocks and inodes", async () => {
    const layer = [
      file("d/one", { content: "x".repeat(4097) }),
      hardlink("d/two", "d/one"),
      symlink("short", "d"),
      symlink("long", "d/".repeat(40)),
      file("empty"),
      file(".wh.gone"),
    ];
    const { bytes, inodes } = await convert(layer);
    assert.equal(bytes, 4096 * (1 + 1 + 2 + 1));
    assert.equal(inodes, 7);
  });
});
