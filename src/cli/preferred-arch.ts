import type { Arch } from "../core/platform.ts";

const OF_NODE: Readonly<Record<string, Arch>> = { x64: "amd64", arm64: "arm64", s390x: "s390x" };

/** The host's architecture where the template has it, for only that one can be fast; else the template's first. */
export function preferredArch(arches: readonly Arch[], nodeArch: string): Arch {
  return arches.find((arch) => arch === OF_NODE[nodeArch]) ?? arches[0] ?? "amd64";
}
