import { join, resolve } from "node:path";
import { exists } from "../../host/exists.ts";
import { inspectLayout, type LayoutReport } from "../../oci/inspect.ts";
import { BUILD_RECORD_FILE, readBuildRecord, type BuildRecord } from "../../pipeline/build-record.ts";
import { readVerification } from "../../../verify/record.ts";
import type { App } from "../app.ts";
import type { InspectFlags } from "../flags.ts";
import { renderBuild, renderLayout } from "../render-inspection.ts";

/** `kvci-build inspect`: says what a build, or any OCI layout, is made of. */
export async function inspect(app: App, path: string, flags: InspectFlags): Promise<number> {
  const folder = resolve(app.cwd, path);
  const isLayout = await exists(join(folder, "oci-layout"));
  const isBuild = await exists(join(folder, BUILD_RECORD_FILE));
  if (isLayout && !isBuild) {
    const layout = await inspectLayout(folder, { verify: flags.verify, signal: app.signal });
    app.stdout.write(flags.json ? json({ layout }) : `${renderLayout(layout)}\n`);
    return 0;
  }
  const build = await readBuildRecord(folder);
  const layout = await layoutOf(folder, build, { verify: flags.verify, signal: app.signal });
  const verifications = await readVerification(folder, build.disk.digest);
  const text = [renderBuild(build, verifications), ...(layout ? [renderLayout(layout)] : [])].join("\n\n");
  app.stdout.write(flags.json ? json({ build, verifications, layout }) : `${text}\n`);
  return 0;
}

async function layoutOf(
  folder: string,
  { image }: BuildRecord,
  options: { readonly verify: true | undefined; readonly signal: AbortSignal },
): Promise<LayoutReport | undefined> {
  return image && inspectLayout(join(folder, image.folder), options);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
