import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { CNI_BIN_DIR } from "./cni-plugins.ts";
import { crictlConfig, registryHost, RUNTIMES } from "./container-runtime.ts";
import { installPackages } from "./packages.ts";
import { repositoryNeeds, repositoryOps, repositorySchema } from "./repositories.ts";
import { lines } from "./script.ts";
import { checkStep, unfitStep } from "./step-input.ts";

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
  /** Registries without TLS, for example KubeVirt's `registry:5000`. */
  insecureRegistries: z.array(registryHost).default([]),
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
  const { repository } = checked;
  const install = installPackages([checked.package]);
  return {
    name: "containerd",
    needs: (platform) => [...(repository ? repositoryNeeds(repository) : []), ...(install.needs?.(platform) ?? [])],
    ops: (platform, lock) => containerdOps(checked, platform, install.ops(platform, lock)),
  };
}

function containerdOps(
  { repository, ...settings }: Containerd,
  platform: Platform,
  install: readonly ImageOp[],
): readonly ImageOp[] {
  if (platform.distribution === "centos" && !repository) {
    const hint = 'Give it one: containerd({ package: "containerd.io", repository: { … } }). See docs/steps.md.';
    throw unfitStep("containerd", "CentOS Stream has no containerd package, so a repository is needed", hint);
  }
  return [
    ...(repository ? repositoryOps(repository, platform) : []),
    ...install,
    writeFile("/etc/containerd/config.toml", configToml(settings, platform)),
    ...settings.insecureRegistries.map(insecureRegistry),
    crictlConfig("containerd"),
    run("systemctl", "enable", RUNTIMES.containerd.unit),
  ];
}

/** Where containerd looks for what is special about a registry, in a folder that is named after it. */
const REGISTRIES = "/etc/containerd/certs.d";

function insecureRegistry(name: string): ImageOp {
  const url = `http://${name}`;
  return writeFile(
    `${REGISTRIES}/${name}/hosts.toml`,
    lines(`server = "${url}"`, "", `[host."${url}"]`, '  capabilities = ["pull", "resolve"]'),
  );
}

/** Version 2 of the format: containerd 1.6 and 1.7 read it, and 2.x converts it when it starts. */
function configToml({ sandboxImage }: Pick<Containerd, "sandboxImage">, { family }: Platform): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return lines(
    "version = 2",
    "",
    `[${cri}]`,
    ...(sandboxImage === undefined ? [] : [`  sandbox_image = "${sandboxImage}"`]),
    "  # KubeVirt and CDI open block devices in pods that are not root.",
    "  device_ownership_from_security_context = true",
    ...(family === "dnf"
      ? ["  # Off by default: containers would run as if there were no SELinux.", "  enable_selinux = true"]
      : []),
    `  [${cri}.registry]`,
    `    config_path = "${REGISTRIES}"`,
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
