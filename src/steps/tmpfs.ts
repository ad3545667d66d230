import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep, stepName } from "./step-input.ts";

const tmpfsSchema = recordOf({
  /** Where it is mounted. Letters, digits and dots only, as its unit is named after it. */
  path: z.string().regex(/^(?:\/[A-Za-z0-9][A-Za-z0-9._]*)+$/, 'an absolute path such as "/var/tests" is needed'),
  /** Half of the memory unless told, as the kernel has it. */
  sizeMiB: z.int().min(1).optional(),
  /** SELinux type of everything in it. Default: container_file_t, which containers may use. */
  label: z
    .string()
    .regex(/^[a-z][a-z0-9_]*_t$/, 'an SELinux type such as "container_file_t" is needed')
    .default("container_file_t"),
});

export type TmpfsInput = DeepReadonly<z.input<typeof tmpfsSchema>>;
type Tmpfs = z.output<typeof tmpfsSchema>;

/**
 * Mounts a folder in memory that containers may use, as KubeVirt's tests want one at /var/provision/kubevirt.io/tests. The
 * label needs container-selinux: see selinuxLabels. Debian and Ubuntu have no SELinux, and there it has none.
 *
 * @throws {InputError} `template-invalid`
 */
export function tmpfs(input: TmpfsInput): Step<ImageOp> {
  const checked = checkStep("tmpfs", tmpfsSchema, input);
  return { name: stepName("tmpfs", [checked.path.slice(1)]), ops: (platform) => tmpfsOps(checked, platform) };
}

function tmpfsOps({ path, sizeMiB, label }: Tmpfs, { family }: Platform): readonly ImageOp[] {
  const unit = `${path.slice(1).replaceAll("/", "-")}.mount`;
  const options = [
    "mode=1777",
    ...(sizeMiB === undefined ? [] : [`size=${String(sizeMiB)}m`]),
    ...(family === "dnf" ? [`context=system_u:object_r:${label}:s0`] : []),
  ];
  const content = lines(
    "[Unit]",
    `Description=Folder in memory at ${path}`,
    "",
    "[Mount]",
    "What=tmpfs",
    `Where=${path}`,
    "Type=tmpfs",
    `Options=${options.join(",")}`,
    "",
    "[Install]",
    "WantedBy=local-fs.target",
  );
  return [
    run("mkdir", "-p", path),
    writeFile(`/etc/systemd/system/${unit}`, content),
    run("systemctl", "enable", unit),
  ];
}
