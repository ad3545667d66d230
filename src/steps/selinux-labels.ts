import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp, Run } from "../core/op.ts";
import { run, runFor } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { composed, onlyOn } from "./composed-step.ts";
import { installPackages } from "./packages.ts";
import { checkStep } from "./step-input.ts";

const path = z
  .string()
  .regex(/^(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/, 'an absolute path such as "/var/local/volumes" is needed');
const type = z.string().regex(/^[a-z][a-z0-9_]*_t$/, 'an SELinux type such as "container_file_t" is needed');

const labelsSchema = recordOf({
  /** SELinux type by folder; it counts for everything below. Folders that are not there are made. */
  paths: z.record(path, type).refine((paths) => Object.keys(paths).length > 0, "name at least one folder"),
});

export type SelinuxLabelsInput = DeepReadonly<z.input<typeof labelsSchema>>;

/** The policy is compiled anew, which takes an emulated guest minutes. */
const SEMANAGE_MS = 30 * 60_000;

/**
 * Labels folders for good: a relabelling of the whole system keeps it. Brings the policy that container_file_t is from.
 * Debian and Ubuntu have no SELinux, and there it does nothing.
 *
 * @throws {InputError} `template-invalid`
 */
export function selinuxLabels(input: SelinuxLabelsInput): Step<ImageOp> {
  const { paths } = checkStep("selinuxLabels", labelsSchema, input);
  return composed<ImageOp>("selinux-labels", [
    installPackages({ apt: [], dnf: ["container-selinux", "policycoreutils-python-utils"] }),
    onlyOn(({ family }) => family === "dnf", { name: "selinux-contexts", ops: () => labelOps(paths) }),
  ]);
}

function labelOps(paths: Readonly<Record<string, string>>): readonly ImageOp[] {
  const folders = Object.keys(paths).sort();
  return [run("mkdir", "-p", ...folders), addRules(paths, folders), run("restorecon", "-R", ...folders)];
}

/** One import for all of them: each `semanage fcontext` of its own would compile the policy again. */
function addRules(paths: Readonly<Record<string, string>>, folders: readonly string[]): Run {
  const rules = folders.map(
    (folder) => `fcontext -a -f a -t ${paths[folder] ?? ""} '${folder.replaceAll(".", "\\.")}(/.*)?'`,
  );
  return runFor(SEMANAGE_MS, "sh", "-ec", ["semanage import <<'END'", ...rules, "END"].join("\n"));
}
