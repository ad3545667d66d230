import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { PackagesBases } from "../../builders/packages/packages-base.ts";
import { provideCloudImage } from "../base/cloud-image.ts";
import { upstreamUrls } from "../base/upstream.ts";
import { hashLocalDisk, provideLocalDisk } from "../base/local-disk.ts";
import type { Digest } from "../core/digest.ts";
import type { Base, DiskFormat } from "../core/disk-image.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { imageInfo } from "../disk/qemu-img.ts";
import { readBuildRecord } from "../pipeline/build-record.ts";
import { outputFolder } from "../pipeline/output-folder.ts";
import type { PlannedTemplate } from "./plans.ts";
import type { Session } from "./session.ts";

export interface BaseOptions {
  readonly session: Session;
  readonly environment: Environment;
  readonly packagesBase: PackagesBases;
  /** Where finished builds are, for a base that is another template's result. */
  readonly out: string;
}

/** The base of a plan on this host: fetched, made or found, and verified. */
export async function provideBase(planned: PlannedTemplate, options: BaseOptions, journal: Journal): Promise<Base> {
  const { plan, loaded } = planned;
  const { image } = plan.base;
  switch (image.kind) {
    case "packages":
      return options.packagesBase.provide(image, plan.disk.platform.arch);
    case "cloud-image":
      return fetchedBase(planned, options, journal);
    case "local-disk": {
      const file = loaded.sources.get(image.path);
      if (!file) throw new KvciError("internal", `${image.path} was not read`, { hint: "Report this." });
      const { store, signal } = options.session;
      const found = await hashLocalDisk(file.absolutePath, { signal, journal });
      // What was planned with counts: a file that changed since is an error, not another disk.
      const disk = await provideLocalDisk({ ...found, digest: file.digest }, { store, signal, journal });
      return foreignBase(disk, plan.base.identity, { signal, journal });
    }
    case "template":
      return builtBase(planned, options, journal);
  }
}

async function fetchedBase(
  { plan }: PlannedTemplate,
  { session, environment }: BaseOptions,
  journal: Journal,
): Promise<Base> {
  const { store, signal } = session;
  // One place that stands for all others is asked alone; mirrors come before what they stand for.
  const whole = environment.baseUrl !== undefined;
  const urls = whole ? plan.base.urls.flatMap((url) => upstreamUrls(url, environment)) : plan.base.urls;
  const source = { urls, digest: plan.base.identity };
  const disk = await provideCloudImage(source, {
    store,
    signal,
    journal,
    environmentMirrors: whole ? {} : environment.mirrors,
  });
  return foreignBase(disk, plan.base.identity, { signal, journal });
}

/** A disk that others made: it boots by its own boot loader, and cloud-init lets us in. */
async function foreignBase(
  { path, format }: { readonly path: string; readonly format: DiskFormat },
  digest: Digest,
  context: { readonly signal: AbortSignal; readonly journal: Journal },
): Promise<Base> {
  const { virtualBytes } = await imageInfo(path, context, format);
  const { size: fileBytes } = await stat(path);
  return { disk: { path, format, virtualBytes, fileBytes, digest }, identity: "nocloud" };
}

/** The sealed disk of another template; built before, by the same invocation or an earlier one. */
async function builtBase({ parent }: PlannedTemplate, { out, session }: BaseOptions, journal: Journal): Promise<Base> {
  if (!parent) throw new KvciError("internal", "a template's base was not planned", { hint: "Report this." });
  const folder = outputFolder(out, parent.plan.template, parent.plan.disk.platform.arch);
  const { disk, planId } = await readBuildRecord(folder);
  if (planId !== parent.plan.id) {
    throw new KvciError("build-invalid", `the build of "${parent.plan.template}" is of another plan`, {
      hint: `Build it first: kvci-build template ${parent.plan.template}`,
    });
  }
  const { store, signal } = session;
  // Layers stand on it for longer than it is the newest build, so the store has its own.
  const found = await hashLocalDisk(join(folder, disk.file), { signal, journal });
  const kept = await provideLocalDisk({ ...found, digest: disk.digest }, { store, signal, journal });
  return foreignBase(kept, disk.digest, { signal, journal });
}
