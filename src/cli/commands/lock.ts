import { httpFiles } from "../../base/http-file.ts";
import { readLock, updateLock, writeLock } from "../../base/lock-file.ts";
import { resolveCloudImage } from "../../base/resolve.ts";
import type { CloudImage } from "../../core/base.ts";
import { cloudImageKey, type Lock } from "../../core/lock.ts";
import type { App } from "../app.ts";
import type { LockFlags } from "../flags.ts";
import { environmentNamed } from "../environment-named.ts";
import { loadNamed, lockPath } from "../plans.ts";
import { withSession, type Session } from "../session.ts";
import { chainOf, type LoadedTemplate } from "../template-loader/load.ts";

/** `kvci-build lock`: resolves the cloud images of templates, on all their architectures. */
export async function lock(app: App, names: readonly string[], flags: LockFlags): Promise<number> {
  const environment = await environmentNamed(app, flags.env);
  const loaded: LoadedTemplate[] = [];
  for (const name of names) loaded.push(...chainOf(await loadNamed(app, name)));
  const { credentials } = environment;
  const session = {
    command: `lock ${names.join(" ")}`,
    json: flags.json ?? false,
    verbose: flags.verbose ?? false,
    credentials,
  };
  return withSession(app, session, async (open) => {
    for (const each of loaded) {
      await lockTemplate(each, open, { mirrors: environment.mirrors, json: flags.json ?? false });
    }
    return 0;
  });
}

type Options = { readonly mirrors: Parameters<typeof resolveCloudImage>[2]["mirrors"]; readonly json: boolean };

async function lockTemplate(
  loaded: LoadedTemplate,
  { app, journal, signal }: Session,
  options: Options,
): Promise<void> {
  const wanted = imagesOf(loaded);
  const path = await lockPath(app, loaded);
  const before = await readLock(path);
  const fetchFile = httpFiles({ signal });
  const after = await journal.span({ name: `lock ${loaded.template.name}`, kind: "phase" }, () =>
    updateLock(before, wanted, (image, arch) =>
      resolveCloudImage(image, arch, {
        fetchFile,
        now: () => new Date(app.now()),
        ...(options.mirrors ? { mirrors: options.mirrors } : {}),
      }),
    ),
  );
  if (wanted.length > 0) await writeLock(path, after);
  app.stdout.write(
    options.json
      ? `${JSON.stringify(after)}\n`
      : describe(
          loaded,
          wanted.map(({ image, arch }) => cloudImageKey(image, arch)),
          { before, after, path },
        ),
  );
}

function imagesOf({
  template,
}: LoadedTemplate): { readonly image: CloudImage; readonly arch: LoadedTemplate["template"]["arches"][number] }[] {
  const { base, arches } = template;
  return base.kind === "cloud-image" && base.digest === undefined ? arches.map((arch) => ({ image: base, arch })) : [];
}

function describe(
  { template }: LoadedTemplate,
  keys: readonly string[],
  { before, after, path }: { readonly before: Lock; readonly after: Lock; readonly path: string },
): string {
  if (keys.length === 0) return `${template.name}: nothing floats that a lock could freeze\n`;
  const lines = keys.map((key) => {
    const [was, is] = [before.cloudImages[key]?.digest, after.cloudImages[key]?.digest];
    return was === is ? `${key}: unchanged, ${String(is)}` : `${key}: ${was ?? "new"} -> ${String(is)}`;
  });
  return `${path}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
