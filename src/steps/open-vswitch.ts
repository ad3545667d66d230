import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { composed } from "./composed-step.ts";
import { installPackages } from "./packages.ts";
import { packageRepository, repositorySchema } from "./repositories.ts";
import { services } from "./services.ts";
import { checkStep, unfitStep } from "./step-input.ts";

const openVswitchSchema = recordOf({
  /** The package, `name` or `name@version`. Default: `openvswitch-switch` on Debian and Ubuntu, `openvswitch` on Fedora. */
  package: z.string().optional(),
  /** Where it comes from if the distribution has none, as CentOS Stream. See packageRepository. */
  repository: repositorySchema.optional(),
});

export type OpenVswitchInput = DeepReadonly<z.input<typeof openVswitchSchema>>;

/**
 * Installs Open vSwitch, enabled. On Fedora and CentOS Stream with NetworkManager's plugin for it, which lets
 * kubernetes-nmstate set up its bridges.
 *
 * @throws {InputError} `template-invalid`; when the plan is made, on CentOS Stream without a repository and a package.
 */
export function openVswitch(input: OpenVswitchInput = {}): Step<ImageOp> {
  const { package: name, repository } = checkStep("openVswitch", openVswitchSchema, input);
  const apt = composed<ImageOp>("open-vswitch", [
    ...(repository?.apt ? [packageRepository(repository)] : []),
    installPackages([name ?? "openvswitch-switch"]),
    services({ enable: ["openvswitch-switch.service"] }),
  ]);
  const dnf = composed<ImageOp>("open-vswitch", [
    ...(repository?.dnf ? [packageRepository(repository)] : []),
    installPackages([name ?? "openvswitch", "NetworkManager-ovs"]),
    services({ enable: ["openvswitch.service"] }),
  ]);
  const fit = (platform: Platform): Step<ImageOp> => {
    if (platform.distribution === "centos" && !(repository?.dnf && name !== undefined)) throw unfit();
    return platform.family === "apt" ? apt : dnf;
  };
  return {
    name: "open-vswitch",
    ops: (platform, lock) => fit(platform).ops(platform, lock),
    needs: (platform) => fit(platform).needs?.(platform) ?? [],
  };
}

function unfit(): Error {
  return unfitStep(
    "openVswitch",
    "CentOS Stream has no Open vSwitch of its own, so a repository and the package's name are needed",
    'Give it those of the NFV SIG: openVswitch({ package: "openvswitch3.5", repository: { … } }). See docs/steps.md.',
  );
}
