import { z } from "zod";
import { downloadUrl } from "./download-url.ts";
import { checkInput, recordOf } from "./input.ts";
import type {
  ContainerRuntime,
  CopyIn,
  FetchIn,
  LoadImages,
  ManifestEdit,
  Op,
  Reboot,
  Run,
  WaitFor,
  WriteFile,
} from "./op.ts";

// Half a surrogate pair has no UTF-8, so it could be neither hashed nor written as it stands.
const text = z.string().refine((value) => value.isWellFormed(), "the text holds half a surrogate pair");
const absolutePath = text.regex(
  /^\/(?!.*(?:^|\/)\.\.?(?:\/|$))[^\0\n]*$/,
  "an absolute path without . or .. parts is needed, for example /etc/motd",
);
const filePath = absolutePath.refine((path) => !path.endsWith("/"), "a file's path does not end with /");
const mode = z.int().min(0).max(0o7777);
const owner = z.string().regex(/^[a-z_0-9][a-z0-9_-]*:[a-z_0-9][a-z0-9_-]*$/i, 'write it as "user:group"');
const argument = text.refine((value) => !value.includes("\0"), "an argument cannot hold a NUL byte");
const argv = z
  .array(argument)
  .min(1, "a command is needed")
  .refine((list) => list[0] !== "", "the command is empty");
const timeoutMs = z.int().min(1);
const manifestEdit = recordOf({
  object: recordOf({ kind: text.min(1), name: text.min(1) }),
  path: z.array(z.union([text, z.int().min(0), z.record(z.string(), text)])).min(1),
  value: z.json(),
  append: z.boolean().optional(),
});
/** A reference with its registry and a tag or digest: what a short name stands for depends on who reads it. */
const imageReference = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]*(?::[0-9]+)?\/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/,
    'a whole image reference is needed, for example "registry.k8s.io/pause:3.10"',
  )
  .refine((ref) => /[:@][^/]*$/.test(ref), "an image reference needs a tag or a digest");

const opSchema = z.discriminatedUnion("kind", [
  recordOf({ kind: z.literal("run"), argv, timeoutMs: timeoutMs.optional() }),
  recordOf({ kind: z.literal("write-file"), path: filePath, content: text, mode, owner }),
  recordOf({ kind: z.literal("copy-in"), source: argument.min(1), path: absolutePath, mode, owner }),
  recordOf({
    kind: z.literal("fetch-in"),
    url: downloadUrl,
    path: filePath,
    mode,
    owner,
    manifest: z.boolean(),
    edits: z.array(manifestEdit),
  }).refine(({ manifest, edits }) => manifest || edits.length === 0, "only a manifest can be edited"),
  recordOf({
    kind: z.literal("load-images"),
    runtime: z.enum(["containerd", "cri-o"]),
    images: z.array(imageReference),
    manifests: z.array(downloadUrl),
  }),
  recordOf({ kind: z.literal("reboot"), timeoutMs }),
  recordOf({ kind: z.literal("wait-for"), argv, reason: text.min(1), timeoutMs, intervalMs: timeoutMs }),
]);

function op<O extends Op>(value: O): O {
  return checkInput(opSchema, value, {
    code: "template-invalid",
    what: value.kind,
    hint: "See the operations in docs/templates.md.",
  }) as O;
}

/**
 * Checks what a step's `ops` returned: a step of one's own may be written in plain JavaScript, or build its ops by hand.
 *
 * @param step the step's name, for the message.
 * @throws {InputError} `template-invalid`; paths start with the index of the op.
 */
export function checkOps(step: string, value: unknown): readonly Op[] {
  return checkInput(z.array(opSchema), value, {
    code: "template-invalid",
    what: `step "${step}"`,
    hint: "See the operations in docs/templates.md.",
  }) as readonly Op[];
}

/** Runs a command as root in the guest; a non-zero exit fails the step. */
export function run(...argv: readonly [string, ...string[]]): Run {
  return op({ kind: "run", argv });
}

/** `run` with a deadline of its own, in milliseconds. */
export function runFor(timeoutMs: number, ...argv: readonly [string, ...string[]]): Run {
  return op({ kind: "run", argv, timeoutMs });
}

/** Writes a text file; mode 0644 and owner root:root unless told. */
export function writeFile(
  path: string,
  content: string,
  options: { readonly mode?: number; readonly owner?: string } = {},
): WriteFile {
  return op({ kind: "write-file", path, content, mode: options.mode ?? 0o644, owner: options.owner ?? "root:root" });
}

/** Copies a host file or tree into the guest; `source` is relative to the template's folder. */
export function copyIn(
  source: string,
  path: string,
  options: { readonly mode?: number; readonly owner?: string } = {},
): CopyIn {
  return op({ kind: "copy-in", source, path, mode: options.mode ?? 0o644, owner: options.owner ?? "root:root" });
}

/** Puts a file from elsewhere into the guest, by the lock's digest; mode 0644 and owner root:root unless told. */
export function fetchIn(
  url: string,
  path: string,
  options: { readonly mode?: number; readonly owner?: string } = {},
): FetchIn {
  const { mode = 0o644, owner = "root:root" } = options;
  return op({ kind: "fetch-in", url, path, mode, owner, manifest: false, edits: [] });
}

/** `fetchIn` of a Kubernetes manifest, changed on the way: the lock knows the container images that it names. */
export function fetchManifest(url: string, path: string, edits: readonly ManifestEdit[] = []): FetchIn {
  return op({ kind: "fetch-in", url, path, mode: 0o644, owner: "root:root", manifest: true, edits });
}

/** Imports container images by the lock's digests: whole references, and whatever the manifests at those URLs name. */
export function loadImages(
  runtime: ContainerRuntime,
  { images = [], manifests = [] }: { readonly images?: readonly string[]; readonly manifests?: readonly string[] },
): LoadImages {
  return op({ kind: "load-images", runtime, images, manifests });
}

/** Restarts the guest; 5 minutes to answer again unless told. */
export function reboot(options: { readonly timeoutMs?: number } = {}): Reboot {
  return op({ kind: "reboot", timeoutMs: options.timeoutMs ?? 300_000 });
}

/** Waits until a command exits 0; `reason` is what the error says was waited for. */
export function waitFor(
  reason: string,
  argv: readonly [string, ...string[]],
  options: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
): WaitFor {
  return op({
    kind: "wait-for",
    reason,
    argv,
    timeoutMs: options.timeoutMs ?? 120_000,
    intervalMs: options.intervalMs ?? 1_000,
  });
}
