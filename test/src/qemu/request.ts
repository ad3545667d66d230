import type { BootRequest } from "../../../src/qemu/boot-request.ts";

/** A machine as a build asks for it, which nobody starts. */
export const REQUEST: BootRequest = {
  arch: "amd64",
  disk: "/w/disk.qcow2",
  memoryMiB: 2048,
  cpus: 2,
  firmware: "uefi",
  workDir: "/w",
  serialLog: "/out/serial.log",
  signal: new AbortController().signal,
};
