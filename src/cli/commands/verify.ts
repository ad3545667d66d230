import { resolve } from "node:path";
import { renderJUnit } from "../../../verify/junit.ts";
import { renderResult } from "../../../verify/render.ts";
import { suiteNamed } from "../../../verify/suites.ts";
import { KvciError } from "../../core/error.ts";
import { writing } from "../../core/file-system-error.ts";
import type { VerificationResult } from "../../core/finding.ts";
import { didYouMean } from "../../core/near-name.ts";
import { programsFor } from "../../host/programs.ts";
import { readBuildRecord } from "../../pipeline/build-record.ts";
import { writeFileAtomic } from "../../store/atomic.ts";
import type { App } from "../app.ts";
import { openEnvironment } from "../environment-named.ts";
import type { VerifyFlags } from "../flags.ts";
import { ensure } from "../need-programs.ts";
import { withSession } from "../session.ts";
import { verifyBuild } from "../verify-build.ts";

/** `kvci-build verify`: boots a finished disk, here or where it was published, and checks it. */
export async function verify(host: App, build: string, flags: VerifyFlags): Promise<number> {
  const on = placeGiven(flags);
  const folder = resolve(host.cwd, build);
  suiteNamed(flags.suite);
  const result = await (on === "qemu" ? verifyHere(host, folder, flags) : verifyThere(host, folder, { ...flags, on }));
  const { junit } = flags;
  if (junit !== undefined) await writing(junit, () => writeFileAtomic(resolve(host.cwd, junit), renderJUnit(result)));
  host.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${renderResult(result)}\n`);
  return result.ok ? 0 : 7;
}

const PLACES = ["qemu", "aws", "gcp"] as const;
type PlaceName = (typeof PLACES)[number];

/** @throws {KvciError} `usage` for a place that there is not, and for what means nothing there. */
function placeGiven({ on, target, image, release }: VerifyFlags): PlaceName {
  const place = PLACES.find((known) => known === on);
  if (!place) {
    throw new KvciError("usage", `there is no place "${on}" to verify on${didYouMean(on, PLACES)}`, {
      hint: `Use --on ${PLACES.join(" or --on ")}.`,
    });
  }
  if (place === "qemu" && [target, image, release].some((given) => given !== undefined)) {
    throw new KvciError("usage", "--target, --image and --release are for images in a cloud", {
      hint: "Add --on aws or --on gcp, or leave them out.",
    });
  }
  return place;
}

async function verifyHere(app: App, folder: string, flags: VerifyFlags): Promise<VerificationResult> {
  const { platform, template } = await readBuildRecord(folder);
  return withSession(app, sessionOf(folder, flags), async (open) => {
    await ensure(open, programsFor(["build", "firmware"], platform.arch));
    const name = `${template} ${platform.arch}`;
    return open.journal.span({ name, kind: "build" }, (journal) =>
      verifyBuild({ folder, suite: flags.suite, on: "qemu" }, open, journal),
    );
  });
}

async function verifyThere(
  host: App,
  folder: string,
  flags: VerifyFlags & { readonly on: "aws" | "gcp" },
): Promise<VerificationResult> {
  const { app, environment } = await openEnvironment(host, flags);
  const { verifyInCloud } = await import("../cloud-verify.ts");
  const { suite, on, target, image, release } = flags;
  const session = { ...sessionOf(folder, flags), credentials: environment.credentials };
  return withSession(app, session, (open) =>
    verifyInCloud({ folder, suite, on, environment, target, image, release }, open),
  );
}

function sessionOf(folder: string, { json, verbose }: VerifyFlags) {
  return { command: `verify ${folder}`, json: json ?? false, verbose: verbose ?? false };
}
