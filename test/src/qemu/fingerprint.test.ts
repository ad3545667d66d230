import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { MachineShape } from "../../../src/qemu/boot-request.ts";
import { machineFingerprint, type Fingerprinted } from "../../../src/qemu/fingerprint.ts";

const { signal } = new AbortController();
const SHAPE: MachineShape = { arch: "amd64", memoryMiB: 1024, cpus: 2, firmware: "uefi", seeded: false };
const CPU = "model name\t: Fast CPU\nflags\t\t: fpu sse2\ncpu MHz\t\t: 2400.000\nbogomips\t: 4800\n";
const LONG_AGO = new Date("2026-01-01T00:00:00Z");

describe("the fingerprint of a machine", () => {
  let folder: string;
  let machine: Fingerprinted;
  const qemu = async (version: string): Promise<void> => {
    await writeFile(machine.program, `#!/bin/sh\necho "QEMU emulator version ${version}"\n`);
    await chmod(machine.program, 0o755);
    await utimes(machine.program, LONG_AGO, LONG_AGO);
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-fingerprint-"));
    const [program, firmwareCode] = [join(folder, "qemu"), join(folder, "code.fd")];
    machine = { program, shape: SHAPE, accelerator: "tcg", firmwareCode, cpuInfo: CPU };
    await qemu("7.2.0");
    await writeFile(firmwareCode, "firmware");
    await utimes(firmwareCode, LONG_AGO, LONG_AGO);
  });
  afterEach(() => rm(folder, { recursive: true }));
  const of = (change: Partial<Fingerprinted> = {}): Promise<string> =>
    machineFingerprint({ ...machine, ...change }, signal);

  it("is the same for the same machine, wherever its files are and however fast its CPU runs just now", async () => {
    const directBoot = { kernel: "/store/a/vmlinuz", initrd: "/store/a/initrd", kernelArguments: "rw" };
    const moved = { ...directBoot, kernel: "/elsewhere/vmlinuz", initrd: "/elsewhere/initrd" };
    assert.equal(await of(), await of({ cpuInfo: CPU.replace("2400.000", "1200.125") }));
    assert.equal(await of({ shape: { ...SHAPE, directBoot } }), await of({ shape: { ...SHAPE, directBoot: moved } }));
  });

  it("is another for another version or build of QEMU", async () => {
    const before = await of();
    await qemu("7.2.1");
    const after = await of();
    assert.notEqual(after, before);
    await utimes(machine.program, LONG_AGO, new Date("2026-02-01T00:00:00Z"));
    assert.notEqual(await of(), after);
  });

  it("is another for another CPU, by its model or by what it can do", async () => {
    const before = await of();
    assert.notEqual(await of({ cpuInfo: CPU.replace("Fast", "Slow") }), before);
    assert.notEqual(await of({ cpuInfo: CPU.replace("sse2", "sse2 avx") }), before);
    const arm = "CPU part\t: 0xd0c\nFeatures\t: fp asimd\n";
    assert.notEqual(await of({ cpuInfo: arm }), await of({ cpuInfo: arm.replace("0xd0c", "0xd40") }));
  });

  it("is another for other firmware or another accelerator", async () => {
    const before = await of();
    assert.notEqual(await of({ accelerator: "kvm" }), before);
    await writeFile(machine.firmwareCode ?? "", "newer firmware");
    assert.notEqual(await of(), before);
  });

  it("is another for every other shape of the machine", async () => {
    const shape = fc.record({
      arch: fc.constantFrom("amd64" as const, "arm64" as const),
      memoryMiB: fc.integer({ min: 512, max: 4096 }),
      cpus: fc.integer({ min: 1, max: 8 }),
      firmware: fc.constantFrom("uefi" as const, "bios" as const),
      seeded: fc.boolean(),
    });
    const kvm = { accelerator: "kvm" } as const;
    const visible = ({ arch, memoryMiB, cpus, seeded }: MachineShape): string =>
      JSON.stringify([arch, memoryMiB, cpus, seeded]);
    await fc.assert(
      fc.asyncProperty(shape, shape, async (one, two) => {
        fc.pre(visible(one) !== visible(two));
        assert.notEqual(await of({ ...kvm, shape: one }), await of({ ...kvm, shape: two }));
      }),
      { numRuns: 20 },
    );
  });
});
