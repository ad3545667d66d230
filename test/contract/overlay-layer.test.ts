import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { promisify } from "node:util";
import { sha256 } from "../../src/core/digest.ts";
import { runProgram, streamProgram } from "../../src/host/program.ts";
import { convertLayer, type OverlayLayer } from "../../src/images/overlay-layer.ts";
import { readMembers } from "../../src/images/raw-tar-reader.ts";
import { streamSource } from "../../src/oci/byte-source.ts";
import { dir, file, layerTar, TAR_END } from "../src/images/layer-tar.ts";
import { scratchFolder } from "../src/oci/small-image.ts";

const OPTIONS = { signal: new AbortController().signal, timeoutMs: 60_000, env: { LC_ALL: "C" } };
const MIB = 1024 * 1024;

/** As the guest runs it. */
const UNPACK = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "--delay-directory-restore"];

/** What `setcap cap_net_raw+ep` sets. */
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex").toString("latin1");

/** The root file system after the first layer. The shell's printf makes a name that is no UTF-8. */
const FIRST = `
  letters() { printf "$1%.0s" $(seq $2); }
  deep=$(letters d 120)/$(letters e 200)
  mkdir -p bin etc/conf.d srv/share var/cache/apt opt/app/lib $deep
  echo su > bin/su; ln bin/su bin/sudo; chown 7:8 bin/su; chmod 6755 bin/su
  echo share > srv/share/f; chown -R 1000:3000000 srv; chmod 2770 srv; chmod 1777 srv/share
  truncate -s 16M big; head -c 1537 /dev/urandom > random; : > empty; chmod 0 empty
  ln -s /etc/conf.d absolute; ln -s ../../etc opt/app/up; ln -s $(letters t 250) opt/app/long; ln opt/app/up same-link
  mkfifo -m 620 pipe; mknod -m 640 disk b 259 70000; mknod null c 1 3
  echo a > 'grüße'; echo b > "$(printf 'no\\377utf8')"; echo c > "$(printf 'new\\nline')"; echo d > -rf; echo e > 100%25
  echo long > $deep/$(letters f 255); ln $deep/$(letters f 255) $deep/$(letters g 255); echo long > $(letters h 101)
  echo 1 > etc/conf.d/one; echo 2 > etc/conf.d/two; echo p > var/cache/apt/pkg; echo l > opt/app/lib/l.so
  mkdir file-to-be dir-gone; echo x > file-to-be/x; echo y > dir-gone/y; echo z > dir-to-be
`;

const PACK_FIRST = `
  find . -exec touch -h -d '2021-02-03 04:05:06.123456789' {} +
  tar -cf ../first.tar --format=posix --xattrs --xattrs-include='*' .
`;

/** What the second layer makes of it. */
const SECOND = `
  rm etc/conf.d/one bin/sudo; rm -r dir-gone file-to-be dir-to-be
  rm -r var/cache/apt; mkdir -m 700 var/cache/apt; echo new > var/cache/apt/lists
  echo file > file-to-be; mkdir dir-to-be; echo in > dir-to-be/f
  echo more > srv/share/g; chown 5:5 srv/share/g; chmod 750 opt/app; touch -d @1 opt/app
  find . -newermt 2022-01-01 -exec touch -h -d '2024-05-06 07:08:09' {} +
  touch -d '2021-02-03 04:05:06.123456789' srv/share bin etc/conf.d etc var var/cache .
`;

/** Its files, among them marks, in a folder of their own: without the directories that are as they were. */
const CHANGES = `
  cp -a --parents var/cache/apt file-to-be dir-to-be srv/share/g ../changes
  cd ../changes
  mkdir -p bin etc/conf.d
  touch etc/conf.d/.wh.one bin/.wh.sudo .wh.dir-gone var/cache/apt/.wh..wh..opq
  touch -r ../tree/var/cache/apt var/cache/apt
  tar -cf ../second.tar --sort=name --numeric-owner var/cache/apt file-to-be dir-to-be srv/share/g .wh.dir-gone bin/.wh.sudo \\
    etc/conf.d/.wh.one -C ../tree --no-recursion opt/app
`;

const shell = (script: string, cwd: string): Promise<string> =>
  runProgram(["bash", "-ec", `umask 022; shopt -u nullglob\n${script}`], { ...OPTIONS, cwd });

/** Every file below a folder as GNU tar finds it, but the folder itself. */
async function listing(folder: string, enter: readonly string[] = []): Promise<readonly string[]> {
  const create = ["tar", "-c", "--format=posix", "--sort=name", ...UNPACK.slice(0, 3), "-C", folder, "."];
  const lines: string[] = [];
  const source = streamSource(streamProgram(["unshare", "--mount", ...enter, ...create], OPTIONS));
  await readMembers(source, async (member, content) => {
    const hash = createHash("sha256");
    for (let done = 0; done < member.sizeBytes;) {
      const piece = await content.read(MIB);
      hash.update(piece);
      done += piece.byteLength;
    }
    const { path, type, xattrs, sizeBytes, ...rest } = member;
    const what = sizeBytes === 0 ? "" : hash.digest("hex");
    if (path !== "./") lines.push(JSON.stringify([path, type, rest, [...(xattrs ?? [])], sizeBytes, what]));
  });
  return lines;
}

/** Converts layers of one chain and unpacks them, as folders 0/fs, 1/fs, … of `target`. */
async function unpack(layers: readonly string[], target: string): Promise<readonly OverlayLayer[]> {
  const out = createWriteStream(`${target}.tar`);
  const converted: OverlayLayer[] = [];
  for (const [index, layer] of layers.entries()) {
    const options = { mediaType: "layer.tar", folder: `${index}/fs`, below: converted.at(-1)?.directories };
    const write = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve, reject) => out.write(bytes, (error) => (error ? reject(error) : resolve())));
    converted.push(await convertLayer(createReadStream(layer), { ...options, write, signal: OPTIONS.signal }));
  }
  out.end(TAR_END);
  await finished(out);
  await mkdir(target);
  // GNU tar complains on standard error and goes on; nothing of that is acceptable.
  const { stderr } = await promisify(execFile)("tar", ["-x", "-f", `${target}.tar`, ...UNPACK, "-C", target]);
  assert.equal(stderr, "");
  return converted;
}

describe("overlay layers, unpacked by GNU tar", function () {
  this.timeout(120_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let target: string;
  let converted: readonly OverlayLayer[];
  let trees: { readonly first: readonly string[]; readonly second: readonly string[] };
  const lower = (layers: readonly number[]): string => layers.map((layer) => `${target}/${layer}/fs`).join(":");

  before(async () => {
    assert.equal(process.getuid?.(), 0, "devices, owners and overlayfs's attributes need root: run this test as root");
    scratch = await scratchFolder();
    const [tree, changes] = [join(scratch.path, "tree"), join(scratch.path, "changes")];
    for (const folder of [tree, changes]) await mkdir(folder);
    await shell(FIRST, tree);
    // GNU tar is the one program here that sets attributes.
    const xattrs = new Map([["security.capability", CAPABILITY]]);
    const ping = layerTar([
      file("bin/ping", { mode: 0o755, xattrs }),
      dir("etc", { xattrs: new Map([["user.a", "b"]]) }),
    ]);
    await runProgram(["tar", "-x", ...UNPACK, "-C", tree], { ...OPTIONS, stdin: ping });
    await shell(PACK_FIRST, tree);
    const first = await listing(tree);
    await shell(SECOND, tree);
    trees = { first, second: await listing(tree) };
    await shell(CHANGES, tree);
    target = join(scratch.path, "target");
    const layers = ["first.tar", "second.tar"].map((name) => join(scratch.path, name));
    converted = await unpack(layers, target);
  });
  after(() => scratch.remove());

  it("hold all that a tree had: owners, modes, times, links, devices, capabilities, names of any bytes", async () => {
    assert.ok(trees.first.length > 40);
    assert.deepEqual(await listing(join(target, "0/fs")), trees.first);
  });

  it("keep hard links one file, also of symbolic links", async () => {
    const pairs = await shell(
      "test bin/su -ef bin/sudo; stat -c %i opt/app/up same-link | uniq | wc -l",
      join(target, "0/fs"),
    );
    assert.equal(pairs, "1\n");
    assert.equal((await stat(join(target, "0/fs/bin/su"))).mode & 0o7777, 0o6755);
  });

  it("hide what is gone by overlayfs's own marks", async () => {
    const lines = (await listing(join(target, "1/fs"))).map(
      (line) => JSON.parse(line) as [string, string, object, unknown],
    );
    const whiteouts = lines.filter(([, type]) => type === "character-device");
    assert.deepEqual(
      whiteouts.map(([path]) => path),
      ["./bin/sudo", "./dir-gone", "./etc/conf.d/one"],
    );
    for (const [, , rest] of whiteouts) {
      assert.partialDeepStrictEqual(rest, { mode: 0, deviceMajor: 0, deviceMinor: 0 });
    }
    const opaque = lines.find(([path]) => path === "./var/cache/apt/");
    assert.deepEqual(opaque?.[3], [["trusted.overlay.opaque", "y"]]);
  });

  it("merge to the tree that the layers were made of", async () => {
    const merged = join(scratch.path, "merged");
    await mkdir(merged);
    const mount = ["sh", "-ec", 'mount -t overlay -o "ro,lowerdir=$1" overlay "$2"; shift 2; exec "$@"', "sh"];
    assert.deepEqual(await listing(merged, [...mount, lower([1, 0]), merged]), trees.second);
  });

  it("have the digests of their tars, and as many inodes as was said", async () => {
    for (const [index, name] of ["first.tar", "second.tar"].entries()) {
      const [digest] = (await shell(`sha256sum ${name}`, scratch.path)).split(" ");
      const [inodes] = (await shell(`du -s --inodes ${index}/fs`, target)).split("\t");
      const said = { diffId: `sha256:${digest ?? ""}`, inodes: Number(inodes) };
      assert.partialDeepStrictEqual(converted[index], said);
    }
  });
});

describe("overlay layers by other programs", function () {
  this.timeout(60_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;

  beforeEach(async () => (scratch = await scratchFolder()));
  afterEach(() => scratch.remove());

  for (const format of ["gnu", "oldgnu", "posix", "ustar", "v7"]) {
    it(`may be tars of the format ${format}`, async () => {
      const tree = join(scratch.path, "tree");
      await mkdir(tree);
      const long = { v7: 40, ustar: 60 }[format] ?? 150;
      const name = (letter: string): string => letter.repeat(long);
      await mkdir(join(tree, name("d")));
      await writeFile(join(tree, "plain"), "content");
      await shell(
        `ln -s ${name("t")} link; ln plain other; chown 1:2 plain; echo > ${name("d")}/${name("f").slice(20)}`,
        tree,
      );
      await shell(`find . -exec touch -h -d @1600000000 {} +; tar -cf ../layer.tar --format=${format} .`, tree);
      await unpack([join(scratch.path, "layer.tar")], join(scratch.path, "target"));
      assert.deepEqual(await listing(join(scratch.path, "target/0/fs")), await listing(tree));
    });
  }

  for (const program of ["gzip -c", "zstd -c -T2 -B1M", "cat"]) {
    it(`may come from ${program}`, async () => {
      await writeFile(join(scratch.path, "layer.tar"), layerTar([file("a", { content: "a".repeat(5 * MIB) })]));
      await shell(`: > empty; ${program} layer.tar > blob; ${program} empty >> blob`, scratch.path);
      const [layer] = await unpack([join(scratch.path, "blob")], join(scratch.path, "target"));
      assert.equal(layer?.diffId, sha256(layerTar([file("a", { content: "a".repeat(5 * MIB) })])));
    });
  }
});

/** Converts a compressed layer of one file of so many MiB, and prints the peak of its memory in bytes. */
const MEASURE = `
  import { Readable } from "node:stream";
  import { createGzip } from "node:zlib";
  const [overlay, tar, mebibytes] = process.argv.slice(1);
  const { convertLayer } = await import(overlay);
  const { encodeMember } = await import(tar);
  const zeros = Buffer.alloc(1024 * 1024);
  const device = { deviceMajor: 0, deviceMinor: 0 };
  function* layer() {
    const sizeBytes = zeros.byteLength * Number(mebibytes);
    yield encodeMember({ path: "big", type: "file", sizeBytes, mode: 0, uid: 0, gid: 0, mtime: "0", linkPath: "", ...device });
    for (let count = 0; count < Number(mebibytes); count += 1) yield zeros;
  }
  const write = () => new Promise((resolve) => setImmediate(resolve));
  const blob = Readable.from(layer()).pipe(createGzip({ level: 1 }));
  const signal = new AbortController().signal;
  const { bytes } = await convertLayer(blob, { mediaType: "layer.tar", folder: "fs", below: undefined, write, signal });
  console.log(bytes, process.resourceUsage().maxRSS * 1024);
`;

describe("overlay layer's memory", () => {
  it("stays the same for a file of 64 MiB and of 512 MiB", async function () {
    this.timeout(60_000);
    const sources = ["overlay-layer.ts", "raw-tar.ts"].map((name) =>
      join(import.meta.dirname, "../../src/images", name),
    );
    const peaks: number[] = [];
    for (const mebibytes of [64, 512]) {
      const args = ["--input-type=module", "-e", MEASURE, "--", ...sources, String(mebibytes)];
      const [bytes = 0, peak = 0] = (await promisify(execFile)(process.execPath, args)).stdout.split(" ").map(Number);
      assert.equal(bytes, mebibytes * MIB + 4096);
      peaks.push(peak);
    }
    const [small = 0, large = 0] = peaks;
    assert.ok(large < small + 64 * MIB && large < 300 * MIB, `${small / MIB} MiB, ${large / MIB} MiB`);
  });
});
