import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { CNI_BIN_DIR } from "./cni-plugins.ts";
import { installPackages } from "./packages.ts";
import { repositoryOps, repositorySchema } from "./repositories.ts";
import { lines } from "./script.ts";
import { checkStep, unfitStep } from "./step-input.ts";

const SOCKET = "unix:///run/containerd/containerd.sock";

const containerdSchema = recordOf({
  /** The package, `name` or `name@version`: `containerd` of the distribution, `containerd.io` of Docker's repository. */
  package: z.string().default("containerd"),
  /** Where the package comes from if the distribution has none, as CentOS Stream. See packageRepository. */
  repository: repositorySchema.optional(),
  /** The pause image, for example "registry.k8s.io/pause:3.10"; the one containerd was built with unless told. */
  sandboxImage: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/, 'an image reference such as "registry.k8s.io/pause:3.10" is needed')
    .optional(),
});

export type ContainerdInput = DeepReadonly<z.input<typeof containerdSchema>>;
type Containerd = z.output<typeof containerdSchema>;

/**
 * Installs containerd and runc, set up for kubelet: systemd's cgroups, CNI plugins from /opt/cni/bin, crictl's endpoint.
 * Enabled, not started.
 *
 * @throws {InputError} `template-invalid`; when the plan is made, on CentOS Stream without a repository.
 */
export function containerd(input: ContainerdInput = {}): Step<ImageOp> {
  const checked = checkStep("containerd", containerdSchema, input);
  return { name: "containerd", ops: (platform) => containerdOps(checked, platform) };
}

function containerdOps(
  { package: name, repository, sandboxImage }: Containerd,
  platform: Platform,
): readonly ImageOp[] {
  if (platform.distribution === "centos" && !repository) {
    const hint = 'Give it one: containerd({ package: "containerd.io", repository: { … } }). See docs/steps.md.';
    throw unfitStep("containerd", "CentOS Stream has no containerd package, so a repository is needed", hint);
  }
  return [
    ...(repository ? repositoryOps(repository, platform) : []),
    ...installPackages([name]).ops(platform),
    writeFile("/etc/containerd/config.toml", configToml(sandboxImage)),
    writeFile("/etc/crictl.yaml", lines(`runtime-endpoint: ${SOCKET}`, `image-endpoint: ${SOCKET}`, "timeout: 10")),
    run("systemctl", "enable", "containerd.service"),
  ];
}

/** Version 2 of the format: containerd 1.6 and 1.7 read it, and 2.x converts it when it starts. */
function configToml(sandboxImage: string | undefined): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return lines(
    "version = 2",
    "",
    `[${cri}]`,
    ...(sandboxImage === undefined ? [] : [`  sandbox_image = "${sandboxImage}"`]),
    "  # KubeVirt and CDI open block devices in pods that are not root.",
    "  device_ownership_from_security_context = true",
    `  [${cri}.cni]`,
    `    bin_dir = "${CNI_BIN_DIR}"`,
    '    conf_dir = "/etc/cni/net.d"',
    `  [${cri}.containerd.runtimes.runc]`,
    '    runtime_type = "io.containerd.runc.v2"',
    `    [${cri}.containerd.runtimes.runc.options]`,
    "      # As kubelet's default on a machine with systemd; two owners of one cgroup tree would fight.",
    "      SystemdCgroup = true",
  );
}
