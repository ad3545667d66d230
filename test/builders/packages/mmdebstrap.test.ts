import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BootstrapRequest } from "../../../builders/packages/bootstrapper.ts";
import { aptBootstrapper } from "../../../builders/packages/mmdebstrap.ts";
import { releaseOf } from "../../../builders/packages/recipe.ts";
import { packages } from "../../../src/core/base.ts";

const spec = packages({ distribution: "debian", release: "12" });
const request: BootstrapRequest = {
  spec,
  arch: "arm64",
  release: releaseOf(spec, "arm64"),
  packages: ["dbus", "udev"],
  treeFolder: "/work/tree",
};

describe("mmdebstrap's command", () => {
  it("makes a tree for the disk script, from the distribution's own mirror unless told", () => {
    assert.deepEqual(aptBootstrapper.argv(request), [
      "mmdebstrap",
      "--mode=root",
      "--variant=minbase",
      "--format=null",
      "--verbose",
      "--architectures=arm64",
      "--components=main",
      "--dpkgopt=force-unsafe-io",
      "--dpkgopt=path-exclude=/usr/share/man/*",
      "--dpkgopt=path-exclude=/usr/share/info/*",
      "--dpkgopt=path-exclude=/usr/share/lintian/*",
      "--dpkgopt=path-exclude=/usr/share/locale/*",
      "--dpkgopt=path-include=/usr/share/locale/locale.alias",
      "--dpkgopt=path-exclude=/usr/share/doc/*",
      "--dpkgopt=path-include=/usr/share/doc/*/copyright",
      "--include=dbus,udev",
      '--customize-hook=sh ./customize.sh "$1"',
      "bookworm",
    ]);
    assert.deepEqual(aptBootstrapper.scripts(request), {});
  });

  it("never turns the check of signatures off", () => {
    const text = [...aptBootstrapper.argv(request), ...Object.values(aptBootstrapper.env(request))].join(" ");
    assert.doesNotMatch(text, /trusted=yes|allow-unauthenticated|AllowInsecure/i);
  });

  it("works in a user namespace without root", () => {
    assert.ok(aptBootstrapper.argv({ ...request, treeFolder: undefined }).includes("--mode=unshare"));
  });
});

describe("package mirror", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kvci-mirror-"));
    mkdirSync(join(folder, "tree/etc/apt"), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const rewrite = (mirror: string | undefined, list: string, relay?: string): string => {
    const mirrored = { ...request, mirror, relay };
    assert.ok(aptBootstrapper.argv(mirrored).includes('--setup-hook=sh ./setup.sh "$1"'));
    const file = join(folder, "tree/etc/apt/sources.list");
    writeFileSync(file, list);
    writeFileSync(join(folder, "setup.sh"), aptBootstrapper.scripts(mirrored)["setup.sh"] ?? "");
    const { status, stderr } = spawnSync("sh", ["./setup.sh", join(folder, "tree")], { cwd: folder, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.equal(readFileSync(join(folder, "sources.list"), "utf8"), list);
    return readFileSync(file, "utf8");
  };

  it("is asked through the relay, and so is every archive", () => {
    const list =
      "deb http://a.example/debian bookworm main\ndeb [signed-by=/k] https://s.example/x bookworm-security main\n";
    const relay = "http://127.0.0.1:4711";
    assert.equal(
      rewrite(undefined, list, relay),
      `deb ${relay}/http/a.example/debian bookworm main\ndeb [signed-by=/k] ${relay}/https/s.example/x bookworm-security main\n`,
    );
    assert.equal(
      rewrite("https://m.example/debian", list, relay),
      `deb ${relay}/https/m.example/debian bookworm main\ndeb [signed-by=/k] ${relay}/https/m.example/debian-security bookworm-security main\n`,
    );
  });

  it("takes the place of the archive, and its -security sibling that of the security archive", () => {
    const list =
      "deb http://a.example/debian bookworm main\ndeb [signed-by=/k] https://s.example/x bookworm-security main\n";
    assert.equal(
      rewrite("http://m.example/debian/", list),
      "deb http://m.example/debian bookworm main\ndeb [signed-by=/k] http://m.example/debian-security bookworm-security main\n",
    );
  });

  it("may have characters that sed and sh read in their own way", () => {
    const line = rewrite("http://m.example/a&b|c'd", "deb http://a.example/debian bookworm main\n");
    assert.equal(line, "deb http://m.example/a&b|c'd bookworm main\n");
  });
});

describe("mmdebstrap's failure", () => {
  const hint = (output: string): string => aptBootstrapper.hint(output, request);

  it("names what to install when the host cannot run the architecture", () => {
    const output = "E: arm64 can neither be executed natively nor via qemu user emulation with binfmt_misc";
    assert.match(hint(output), /arm64 .*qemu-user-static, binfmt-support and arch-test/);
  });

  it("names the keyring when signatures cannot be checked", () => {
    const output =
      "W: GPG error: http://m InRelease: The following signatures couldn't be verified: NO_PUBKEY 0E98404D386FA1D9";
    assert.match(hint(output), /debian-archive-keyring/);
  });

  it("names the environment's mirror when it does not answer", () => {
    assert.match(
      hint("Err:1 http://m bookworm InRelease\nE: Failed to fetch http://m Could not connect"),
      /packageMirrors\.debian/,
    );
  });

  it("takes what the relay could not fetch for a mirror that does not answer, not for a signature", () => {
    const lines = [
      "E: Failed to fetch http://127.0.0.1:4711/http/m/dists/bookworm/InRelease  502  cannot fetch http://m/x: no route",
      "E: The repository 'http://127.0.0.1:4711/http/m bookworm InRelease' is not signed.",
    ];
    assert.match(hint(lines.join("\n")), /packageMirrors\.debian/);
  });

  it("names user namespaces when there are none", () => {
    assert.match(hint("unshare: unshare failed: Operation not permitted"), /subuid/);
  });

  it("points to include when a package does not exist", () => {
    assert.match(hint("E: Unable to locate package vimm"), /include/);
  });

  it("is not blamed on what packages say while they are installed", () => {
    assert.match(hint("Created symlink /etc/binfmt.d/x\nI: finding correct signed-by value..."), /last lines/);
  });
});
