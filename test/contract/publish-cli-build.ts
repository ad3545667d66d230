import { randomFillSync } from "node:crypto";
import { mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { digestOfFile } from "../../src/host/file-digest.ts";
import { runProgram } from "../../src/host/program.ts";
import { layerFiles, publishableBuild } from "./publish-build.ts";

const MIB = 1024 ** 2;
const PLATFORM = {
  os: "linux",
  arch: "amd64",
  distribution: "debian",
  release: "12",
  family: "apt",
  bootLoader: "grub",
};
const { signal } = new AbortController();

export interface CliBuild {
  /** Folder that the build is in, as `out/node/amd64`. */
  readonly folder: string;
  /** Data in its disk of 64 MiB. */
  readonly dataMiB?: number;
  readonly template?: string;
  /** What is said of the verification of its disk. Default: passed. */
  readonly verified?: "passed" | "failed" | "never";
}

/** The folder of a build as `kvci-build template` leaves it: a real qcow2 disk, images, lists and records that fit each other. */
export async function cliBuild({
  folder,
  dataMiB = 3,
  template = "node",
  verified = "passed",
}: CliBuild): Promise<void> {
  await mkdir(folder, { recursive: true });
  const disk = join(folder, "disk.qcow2");
  await makeDisk(disk, dataMiB);
  const { base = "" } = await layerFiles(join(folder, "..", ".."), { base: 64 * 1024 });
  const made = await publishableBuild({ folder, chain: [base, disk], template });
  const digest = await digestOfFile(disk, "sha256", signal);
  await rm(join(folder, "verification-node-qemu.json"));
  await rm(join(folder, "verification-boot-qemu.json"));
  const { size: bytes } = await stat(disk);
  const record = {
    ...(await readJson(join(folder, "build.json"))),
    platform: PLATFORM,
    keyFormatVersion: 1,
    durationMs: 1000,
    base: { kind: "cloud-image", digest: sha256("base"), image: {}, urls: ["https://images.example/base.qcow2"] },
    machine: { memoryMiB: 2048, cpus: 2, firmware: "uefi" },
    accelerator: { name: "tcg", reason: "a test" },
    phases: [],
    steps: [],
    traces: { publicKey: "ssh-ed25519 AAAA build", machineId: "0123456789abcdef0123456789abcdef" },
    disk: { file: "disk.qcow2", digest, bytes, virtualBytes: 64 * MIB },
    packages: { file: "packages.json", count: 1 },
  };
  await writeJson(join(folder, "build.json"), record);
  const packages = [{ name: "kubelet", version: "1.34.2-1.1", arch: "amd64" }];
  await writeJson(join(folder, "packages.json"), { distribution: "debian", release: "12", packages });
  if (verified !== "never") await writeVerification(folder, { digest, ok: verified === "passed" });
  await rm(join(made.folder, "layers"), { recursive: true, force: true });
}

async function writeVerification(folder: string, { digest, ok }: { digest: string; ok: boolean }): Promise<void> {
  const finding = {
    check: "boots-by-firmware",
    ok,
    detail: ok ? "it does" : "it does not",
    evidence: [],
    durationMs: 1,
  };
  await writeJson(join(folder, "verification-boot-qemu.json"), {
    formatVersion: 1,
    digest,
    suite: "boot",
    place: "qemu",
    ok,
    startedAt: "2026-01-02T03:04:05.000Z",
    durationMs: 1,
    findings: [finding],
  });
}

async function makeDisk(path: string, dataMiB: number): Promise<void> {
  const raw = `${path}.raw`;
  const file = await open(raw, "w");
  await file.truncate(64 * MIB);
  // An entry of an EFI system partition, by which a disk is told from one that boots by BIOS.
  await file.write(Buffer.from([0xef]), 0, 1, 446 + 4);
  await file.write(randomFillSync(Buffer.alloc(dataMiB * MIB)), 0, dataMiB * MIB, MIB);
  await file.close();
  await runProgram(["qemu-img", "convert", "-q", "-O", "qcow2", raw, path], { signal, timeoutMs: 60_000 });
  await rm(raw);
}

async function readJson(path: string): Promise<object> {
  return JSON.parse(await readFile(path, "utf8")) as object;
}

function writeJson(path: string, value: object): Promise<void> {
  return writeFile(path, JSON.stringify(value));
}
