import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diagnose, unfitPrograms, type Diagnosis, type DoctorPorts } from "../../../src/host/doctor.ts";
import { renderDoctor } from "../../../src/host/render-doctor.ts";

const GIB = 2 ** 30;

describe("doctor", () => {
  let folder: string;
  const ports = (more: Partial<DoctorPorts> = {}): DoctorPorts => ({
    path: folder,
    toolsFolder: join(folder, "tools"),
    arch: "amd64",
    guestArches: ["amd64"],
    cpus: 2,
    memoryBytes: 8 * GIB,
    nodeVersion: "v24.21.0",
    osRelease: "ID=debian\n",
    store: { path: "/store", freeBytes: async () => 50 * GIB },
    output: async ([program]) => (program.endsWith("oras") ? "Version: 1.1.0\n" : "skopeo version 1.9.3\n"),
    probe: async () => ({ accelerator: "tcg", reason: "/dev/kvm is not there" }),
    ...more,
  });
  const row = ({ programs }: Diagnosis, program: string) => programs.find((each) => each.program === program);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "kvci-doctor-"));
    for (const name of ["skopeo", "oras"]) {
      writeFileSync(join(folder, name), "#!/bin/sh\n");
      chmodSync(join(folder, name), 0o755);
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  it("says where a program is, its version and what needs it", async () => {
    assert.deepEqual(row(await diagnose(ports()), "skopeo"), {
      program: "skopeo",
      state: "ok",
      path: join(folder, "skopeo"),
      version: "1.9.3",
      neededFor: ["images", "tests"],
    });
  });

  it("tells an old version from a fitting one, with the fix", async () => {
    const diagnosis = await diagnose(ports());
    assert.equal(row(diagnosis, "oras")?.state, "too-old");
    assert.equal(row(diagnosis, "oras")?.fix, "Version 1.2 or newer is needed.");
    assert.ok(unfitPrograms(diagnosis).some(({ program }) => program === "oras"));
  });

  it("says the command for what is missing", async () => {
    const diagnosis = await diagnose(ports({ path: join(folder, "empty"), guestArches: ["s390x"] }));
    const qemu = row(diagnosis, "qemu-s390x");
    // The host that runs this test may have one; what it says then is covered above.
    if (qemu?.state === "missing") assert.match(qemu.fix ?? "", /apt-get install .* qemu-system-s390x`/);
    assert.equal(row(diagnosis, "qemu-amd64"), undefined, "only for the architectures that were asked for");
  });

  it("shows a program that does not print its version without one", async () => {
    const output = async (): Promise<string> => Promise.reject(new TypeError("exec format error"));
    const { state, version } = row(await diagnose(ports({ output })), "skopeo") ?? {};
    assert.deepEqual({ state, version }, { state: "ok", version: undefined });
  });

  it("tells the accelerator with its reason, and the host's size", async () => {
    const { host } = await diagnose(ports({ memoryBytes: 2 * GIB, store: { path: "/s", freeBytes: async () => GIB } }));
    const fact = (name: string) => host.find((each) => each.name === name);
    assert.deepEqual(fact("accelerator"), {
      name: "accelerator",
      value: "tcg",
      ok: true,
      reason: "/dev/kvm is not there",
    });
    assert.equal(fact("memory")?.ok, false);
    assert.equal(fact("store")?.ok, false);
    assert.match(fact("store")?.reason ?? "", /KVCI_BUILD_STORE/);
    assert.equal(fact("node")?.value, "v24.21.0");
  });

  it("survives a probe and a store that cannot be read", async () => {
    const fails = async (): Promise<never> => Promise.reject(new TypeError("no qemu"));
    const { host } = await diagnose(ports({ probe: fails, store: { path: "/s", freeBytes: fails } }));
    assert.deepEqual(
      host.filter(({ ok }) => !ok).map(({ name, reason }) => [name, reason]),
      [
        ["store", "no qemu"],
        ["accelerator", "no qemu"],
      ],
    );
  });
});

describe("doctor's table", () => {
  const diagnosis: Diagnosis = {
    programs: [
      { program: "xz", state: "ok", path: "/usr/bin/xz", version: "5.4.1", neededFor: ["xz-images"] },
      { program: "oras", state: "too-old", path: "/b/oras", version: "1.1.0", neededFor: ["tests"], fix: "Newer." },
      { program: "mcopy", state: "missing", neededFor: ["packages-base"], fix: "Run `x`." },
    ],
    host: [{ name: "accelerator", value: "tcg", ok: true, reason: "no KVM" }],
  };

  it("is aligned and ends with what to do", () => {
    assert.equal(
      renderDoctor(diagnosis),
      [
        "    PROGRAM  FOUND                    NEEDED FOR",
        "ok  xz       5.4.1 /usr/bin/xz        cloud images packed by xz",
        "!!  oras     1.1.0 /b/oras (too old)  the project's tests only",
        "!!  mcopy    missing                  a base from packages",
        "",
        "    HOST",
        "ok  accelerator  tcg: no KVM",
        "",
        "`kvci-build doctor --fix` mends the 1 that a verb needs. One by one:",
        "  oras   Newer.",
        "  mcopy  Run `x`.",
        "",
      ].join("\n"),
    );
  });

  it("says so when only the tests need more", () => {
    const programs = diagnosis.programs.slice(0, 2);
    assert.match(
      renderDoctor({ ...diagnosis, programs }),
      /^Everything that a verb needs is there; .*\n {2}oras {2}Newer\.$/m,
    );
  });

  it("says so when nothing is missing", () => {
    const programs = diagnosis.programs.slice(0, 1);
    assert.match(renderDoctor({ ...diagnosis, programs }), /^Everything is there\.$/m);
  });
});
