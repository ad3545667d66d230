import { z } from "zod";
import { recordOf } from "../../core/input.ts";
import type { ImageOp } from "../../core/op.ts";
import { run, writeFile } from "../../core/op-makers.ts";
import type { Step } from "../../core/step.ts";
import { CNI_BIN_DIR } from "../cni-plugins.ts";
import { composed } from "../composed-step.ts";
import { crictlConfig, registryHost, RUNTIMES } from "../container-runtime.ts";
import { installPackages } from "../packages.ts";
import { packageRepository } from "../repositories.ts";
import { lines, shell } from "../script.ts";
import { checkStep } from "../step-input.ts";
import type { KubernetesVersion } from "./kubernetes-version.ts";
import { versionSchema } from "./version-input.ts";

const crioSchema = recordOf({
  /** What `kubernetesVersion` returns: it names the stream of CRI-O and the pause image. */
  version: versionSchema,
  /** Registries without TLS, for example KubeVirt's `registry:5000`. */
  insecureRegistries: z.array(registryHost).default([]),
  /** Where images without a registry in their name are looked for, in order. Default: what CRI-O's package says. */
  searchRegistries: z.array(registryHost).default([]),
});

export interface CrioInput {
  readonly version: KubernetesVersion;
  readonly insecureRegistries?: readonly string[];
  readonly searchRegistries?: readonly string[];
}
type Crio = z.output<typeof crioSchema>;

/**
 * Installs CRI-O of the version's stream from its signed repository, set up for kubelet: systemd's cgroups, CNI plugins from
 * /opt/cni/bin, the pause image kubeadm wants, crictl's endpoint. Its package brings crun, runc and conmon. Enabled, not
 * started.
 *
 * @throws {InputError} `template-invalid`
 */
export function crio(input: CrioInput): Step<ImageOp> {
  const checked = checkStep("crio", crioSchema, input);
  const { crioRepository, crioPackages } = checked.version;
  return composed("crio", [
    packageRepository(crioRepository),
    // The policy without which SELinux keeps containers from their own files; CRI-O's rpm does not ask for it.
    installPackages({ apt: crioPackages.apt, dnf: [...crioPackages.dnf, "container-selinux"] }),
    { name: "crio-configuration", ops: () => configurationOps(checked) },
  ]);
}

function configurationOps(crio: Crio): readonly ImageOp[] {
  return [
    // Behind the package's 10-crio.conf, so that this counts.
    writeFile("/etc/crio/crio.conf.d/50-kvci-build.conf", crioConf(crio)),
    ...registriesOps(crio),
    crictlConfig("cri-o"),
    // A bridge network of CRI-O's or podman's own would win by its name, and the node be Ready before its CNI is there.
    shell("rm -f /etc/cni/net.d/*"),
    run("systemctl", "enable", RUNTIMES["cri-o"].unit),
  ];
}

function crioConf({ version, searchRegistries }: Crio): string {
  return lines(
    "[crio.image]",
    `pause_image = "${version.pauseImage}"`,
    // More than one registry to search is "ambiguous" otherwise, and refused.
    ...(searchRegistries.length > 0 ? ['short_name_mode = "disabled"'] : []),
    "",
    "[crio.network]",
    'network_dir = "/etc/cni/net.d/"',
    `plugin_dirs = ["${CNI_BIN_DIR}"]`,
    "",
    "[crio.runtime]",
    "# As kubelet's own; two owners of one cgroup tree would fight.",
    'cgroup_manager = "systemd"',
    "# KubeVirt and CDI open block devices in pods that are not root.",
    "device_ownership_from_security_context = true",
  );
}

function registriesOps({ insecureRegistries, searchRegistries }: Crio): readonly ImageOp[] {
  if (insecureRegistries.length + searchRegistries.length === 0) return [];
  const search = searchRegistries.map((name) => `"${name}"`).join(", ");
  const content = lines(
    ...(searchRegistries.length > 0 ? [`unqualified-search-registries = [${search}]`, ""] : []),
    ...insecureRegistries.flatMap((name) => ["[[registry]]", `location = "${name}"`, "insecure = true"]),
  );
  return [writeFile("/etc/containers/registries.conf.d/50-kvci-build.conf", content)];
}
