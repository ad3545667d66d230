import type { ImageOp } from "../../core/op.ts";
import { writeFile } from "../../core/op-makers.ts";
import type { OsFamily } from "../../core/platform.ts";
import type { Step } from "../../core/step.ts";
import { lines } from "../script.ts";
import { checkStep } from "../step-input.ts";
import { yamlText, type YamlValue } from "../yaml-text.ts";
import { kubeletSchema, type KubeletConfig, type KubeletConfigInput } from "./kubelet-schema.ts";

export type { KubeletConfigInput } from "./kubelet-schema.ts";

/** Not kubelet's default, as it has none: the flag names it. */
const FOLDER = "/etc/kubernetes/kubelet.conf.d";
/** What the unit of Kubernetes' packages reads its further arguments from. */
const ARGUMENTS: Readonly<Record<OsFamily, string>> = { apt: "/etc/default/kubelet", dnf: "/etc/sysconfig/kubelet" };

/**
 * Configures kubelet by a drop-in, which is merged over the configuration that kubeadm writes when the node joins its
 * cluster: these values hold whatever cluster that is. kubelet 1.30 and newer read drop-ins without a feature gate.
 *
 * @throws {InputError} `template-invalid`
 */
export function kubeletConfig(input: KubeletConfigInput = {}): Step<ImageOp> {
  const config = checkStep("kubeletConfig", kubeletSchema, input);
  const dropIn = writeFile(`${FOLDER}/${config.name}.conf`, yamlText(configuration(config)));
  return {
    name: `kubelet-config-${config.name}`,
    ops: ({ family }) => [dropIn, writeFile(ARGUMENTS[family], lines(`KUBELET_EXTRA_ARGS="--config-dir=${FOLDER}"`))],
  };
}

function configuration(config: KubeletConfig): YamlValue {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    // As the runtimes are set up; two owners of one cgroup tree would fight.
    cgroupDriver: "systemd",
    ...swapSettings(config),
    ...managerSettings(config),
    ...reservations(config),
    ...imageSettings(config),
    ...given({ maxPods: config.maxPods }),
    ...(Object.keys(config.featureGates).length > 0 ? { featureGates: config.featureGates } : {}),
  };
}

function swapSettings({ failSwapOn, swapBehavior }: KubeletConfig): Settings {
  return { failSwapOn, ...(swapBehavior === undefined ? {} : { memorySwap: { swapBehavior } }) };
}

function managerSettings(config: KubeletConfig): Settings {
  const { cpuManagerPolicy, topologyManagerPolicy, topologyManagerScope } = config;
  return given({ cpuManagerPolicy, topologyManagerPolicy, topologyManagerScope });
}

function reservations({ kubeReserved, systemReserved, reservedSystemCpus }: KubeletConfig): Settings {
  return given({
    kubeReserved: kubeReserved && given(kubeReserved),
    systemReserved: systemReserved && given(systemReserved),
    reservedSystemCPUs: reservedSystemCpus,
  });
}

function imageSettings({ imageGcHighPercent: high, parallelImagePulls: parallel }: KubeletConfig): Settings {
  return {
    imageGCHighThresholdPercent: high,
    // Below the other, or kubelet does not start; its default, 80, may not be.
    imageGCLowThresholdPercent: Math.min(80, high - 1),
    ...(parallel === undefined ? {} : { serializeImagePulls: parallel === 1 }),
    ...(parallel === undefined || parallel === 1 ? {} : { maxParallelImagePulls: parallel }),
  };
}

type Settings = Readonly<Record<string, YamlValue>>;

/** Without what was not said: a drop-in changes only what it names. */
function given(settings: Readonly<Record<string, YamlValue | undefined>>): Settings {
  return Object.fromEntries(
    Object.entries(settings).filter((entry): entry is [string, YamlValue] => entry[1] !== undefined),
  );
}
