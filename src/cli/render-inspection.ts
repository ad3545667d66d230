import type { VerificationResult } from "../core/finding.ts";
import { shortDigest } from "../core/digest.ts";
import { formatBytes, formatDuration } from "../journal/format.ts";
import { displayLine } from "../journal/text-width.ts";
import type { LayoutReport } from "../oci/inspect.ts";
import type { ChainPart } from "../oci/layered-disk.ts";
import type { BuildRecord } from "../pipeline/build-record.ts";
import type { ReassembledChain } from "../pipeline/reassemble-chain.ts";

/** What a build was made of, for people. */
export function renderBuild(build: BuildRecord, verifications: readonly VerificationResult[]): string {
  const { platform, disk, base, accelerator } = build;
  const facts: readonly (readonly [string, string])[] = [
    ["template", `${build.template} (${platform.distribution} ${platform.release}, ${platform.arch})`],
    ["plan", build.planId],
    ["base", `${base.kind} ${base.digest}`],
    ["built", `${build.startedAt} in ${formatDuration(build.durationMs)}, with ${accelerator.name}`],
    ["disk", `${disk.file}, ${formatBytes(disk.bytes)} for ${formatBytes(disk.virtualBytes)}, ${disk.digest}`],
    ...layeredFact(build),
    ["packages", String(build.packages.count)],
    ...verifications.map((result) => ["verified", verdict(result)] as const),
    ...(verifications.length === 0 ? [["verified", "no"] as const] : []),
    [
      "tools",
      Object.entries(build.tools)
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    ],
  ];
  const steps = build.steps.map(
    ({ name, key, durationMs }) => `  ${shortDigest(key)}  ${formatDuration(durationMs).padStart(8)}  ${name}`,
  );
  return [...aligned(facts), "", "steps", ...steps, ...chainLines(build)].join("\n");
}

function layeredFact({ layered }: BuildRecord): readonly (readonly [string, string])[] {
  if (!layered) return [];
  const { ref, files, bytes, digest } = layered;
  return [["layered", `${ref}, ${String(files.length)} files, ${formatBytes(bytes)}, ${digest}`]];
}

/** The layered image's files, lowest first, each with what it holds. */
function chainLines({ layered }: BuildRecord): string[] {
  if (!layered) return [];
  const width = Math.max(...layered.files.map(({ file }) => file.length));
  const lines = layered.files.map(({ file, digest, bytes, ...part }) => {
    const columns = [shortDigest(digest), formatBytes(bytes).padStart(10), file.padEnd(width), holds(part)];
    return displayLine(`  ${columns.join("  ")}`.trimEnd());
  });
  return ["", "layers of the disk, lowest first", ...lines];
}

/** The phase, and the steps in it. */
function holds({ phase, steps }: Pick<ChainPart, "phase" | "steps">): string {
  return steps.length === 0 ? phase : `${phase}: ${steps.map(({ name }) => name).join(", ")}`;
}

/** Where an image's disk was unpacked to, and what it is made of. */
export function renderExtracted({ path, files }: ReassembledChain): string {
  const lines = files.map(({ name, virtualBytes }) => `  ${name}, a disk of ${formatBytes(virtualBytes)}`);
  return [`extracted  ${displayLine(path)}, lowest file first:`, ...lines].join("\n");
}

function verdict({ suite, place, ok, findings, startedAt }: VerificationResult): string {
  const failed = findings.filter((finding) => !finding.ok).length;
  const how = ok
    ? `passed all ${String(findings.length)} checks`
    : `failed ${String(failed)} of ${String(findings.length)} checks`;
  return `suite ${suite} on ${place} ${how}, ${startedAt}`;
}

/** The images of a layout, layer by layer, for people. */
export function renderLayout({ images, folder, verified }: LayoutReport): string {
  const head = `${folder}${verified ? ", every blob's digest checked" : ""}`;
  return [head, ...images.map(renderImage)].join("\n\n");
}

function renderImage(image: LayoutReport["images"][number]): string {
  const { platform, layers } = image;
  const facts: readonly (readonly [string, string])[] = [
    ["image", `${image.ref ?? "without a name"} (${platform.os}/${platform.arch}), ${formatBytes(image.sizeBytes)}`],
    ["digest", image.digest],
    ["config", image.config.digest],
    ...Object.entries(image.labels).map(([name, value]) => ["label", `${name}=${value}`] as const),
  ];
  return [...aligned(facts), ...layers.flatMap(layerLines)].join("\n");
}

function layerLines(layer: LayoutReport["images"][number]["layers"][number]): string[] {
  const files = layer.files.map(
    ({ path, sizeBytes, mode, uid, gid }) =>
      `    ${mode.toString(8).padStart(4, "0")}  ${`${String(uid)}:${String(gid)}`.padEnd(9)}  ${formatBytes(sizeBytes).padStart(10)}  ${displayLine(path)}`,
  );
  const part = layer.chain
    ? [displayLine(`    ${holds(layer.chain)} (a disk of ${formatBytes(layer.chain.virtualBytes)})`)]
    : [];
  return [`layer     ${layer.digest}, ${formatBytes(layer.sizeBytes)}, ${layer.mediaType}`, ...part, ...files];
}

/** Labels and paths are whatever an image's maker wrote: nothing of it may move the cursor. */
function aligned(facts: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${name.padEnd(width)}  ${displayLine(value)}`);
}
