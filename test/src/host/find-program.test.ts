import assert from "node:assert/strict";
import { accessSync, chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCommand, findProgram, firmware, searchPath } from "../../../src/host/find-program.ts";

describe("search for host programs", () => {
  let folder: string;
  const place = (path: string, mode = 0o755): string => {
    const full = join(folder, path);
    mkdirSync(join(full, ".."), { recursive: true });
    writeFileSync(full, "#!/bin/sh\n");
    chmodSync(full, mode);
    return full;
  };
  const env = (): { path: string; toolsFolder: string } => ({
    path: `${folder}/a::${folder}/b`,
    toolsFolder: `${folder}/tools`,
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kvci-find-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("goes through the PATH, then our own tools, then the system's folders, each once", () => {
    assert.equal(
      searchPath({ path: "/usr/bin::/sbin:/usr/bin", toolsFolder: "/w/.kvci/tools/bin" }),
      "/usr/bin:/sbin:/w/.kvci/tools/bin:/usr/sbin",
    );
  });

  it("takes the first that can be executed", async () => {
    place("a/oras", 0o644);
    mkdirSync(join(folder, "b/oras"), { recursive: true });
    const tool = place("tools/oras");
    assert.equal(await findProgram("oras", env()), tool);
    const first = place("a/skopeo");
    place("b/skopeo");
    assert.equal(await findProgram("skopeo", env()), first);
  });

  it("finds nothing where there is nothing", async () => {
    assert.equal(await findCommand("no-such-command-anywhere", env()), undefined);
    assert.equal(await findCommand(`${folder}/absolute`, env()), undefined);
  });

  it("takes an absolute path as it is", async () => {
    const path = place("libexec/qemu-kvm");
    assert.equal(await findCommand(path, env()), path);
  });
});

describe("UEFI firmware", () => {
  it("is a pair of files that can be read, or not there", async () => {
    for (const arch of ["amd64", "arm64"] as const) {
      const found = await firmware(arch);
      if (found) for (const path of [found.code, found.vars]) accessSync(path);
      assert.equal(await findProgram(`firmware-${arch}`, { path: "", toolsFolder: "" }), found?.code);
    }
  });

  it("comes with QEMU for s390x", async () => {
    assert.equal(await firmware("s390x"), undefined);
  });
});
