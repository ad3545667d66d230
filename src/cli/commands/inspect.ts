import { join, resolve } from "node:path";
import { KvciError } from "../../core/error.ts";
import type { VerificationResult } from "../../core/finding.ts";
import { silentJournal } from "../../core/journal.ts";
import { exists } from "../../host/exists.ts";
import { inspectLayout, type LayoutReport } from "../../oci/inspect.ts";
import { BUILD_RECORD_FILE, readBuildRecord, type BuildRecord } from "../../pipeline/build-record.ts";
import type { ReassembledChain } from "../../pipeline/reassemble-chain.ts";
import { readVerification } from "../../../verify/record.ts";
import type { App } from "../app.ts";
import type { InspectFlags } from "../flags.ts";
import { renderBuild, renderExtracted, renderLayout } from "../render-inspection.ts";

/** What was found at a path: a build, which may have a layout, or a layout alone. */
interface Inspected {
  readonly build?: BuildRecord;
  readonly verifications?: readonly VerificationResult[];
  readonly layout?: LayoutReport | undefined;
}

/** `kvci-build inspect`: says what a build, or any OCI layout, is made of, and unpacks the disk of an image. */
export async function inspect(app: App, path: string, flags: InspectFlags): Promise<number> {
  const found = await inspectPath(app, resolve(app.cwd, path), flags);
  const extracted = flags.extract === undefined ? undefined : await extract(app, found, flags);
  const { build, verifications = [], layout } = found;
  const text = [
    ...(build ? [renderBuild(build, verifications)] : []),
    ...(layout ? [renderLayout(layout)] : []),
    ...(extracted ? [renderExtracted(extracted)] : []),
  ].join("\n\n");
  app.stdout.write(flags.json ? json({ ...found, ...(extracted ? { extracted } : {}) }) : `${text}\n`);
  return 0;
}

async function inspectPath(app: App, folder: string, { verify }: InspectFlags): Promise<Inspected> {
  const options = { verify, signal: app.signal };
  const isLayout = await exists(join(folder, "oci-layout"));
  const isBuild = await exists(join(folder, BUILD_RECORD_FILE));
  if (isLayout && !isBuild) return { layout: await inspectLayout(folder, options) };
  const build = await readBuildRecord(folder);
  const image = (build.image ?? build.layered)?.folder;
  const layout = image === undefined ? undefined : await inspectLayout(join(folder, image), options);
  return { build, verifications: await readVerification(folder, build.disk.digest), layout };
}

async function extract(
  app: App,
  { layout }: Inspected,
  { extract: to = "", ref }: InspectFlags,
): Promise<ReassembledChain> {
  if (!layout) {
    throw new KvciError("usage", "this build has no image to unpack", {
      hint: "Its disk is disk.qcow2; an image is made when the template's outputs say so.",
    });
  }
  const { reassembleChain } = await import("../../pipeline/reassemble-chain.ts");
  const context = { signal: app.signal, journal: silentJournal };
  return reassembleChain({ layout: layout.folder, ref }, resolve(app.cwd, to), context);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
