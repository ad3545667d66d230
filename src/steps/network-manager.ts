import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep, unfitStep } from "./step-input.ts";

/** Both programs take the shell's patterns; commas, semicolons and blanks would separate. */
const pattern = z
  .string()
  .regex(/^[A-Za-z0-9*?[\]._-]{1,32}$/, 'an interface name or pattern such as "cali*" is needed');

const networkManagerSchema = recordOf({
  /** Interfaces to leave alone. Default: those that Calico, Flannel and the bridge plugin make. */
  ignore: z.array(pattern).min(1).default(["cali*", "tunl*", "flannel*", "vxlan*", "cni*"]),
  /** NetworkManager's DHCP client. `dhclient` is an older one that sets the host name; CentOS Stream 10 and Fedora 42 lack it. */
  dhcp: z.enum(["internal", "dhclient"]).optional(),
});

export type NetworkManagerInput = DeepReadonly<z.input<typeof networkManagerSchema>>;
type NetworkManager = z.output<typeof networkManagerSchema>;

/**
 * Keeps the node's network manager off interfaces that belong to the cluster's network: it would take their addresses and
 * routes away. That is NetworkManager on Fedora and CentOS Stream, systemd-networkd on Debian and Ubuntu.
 *
 * @throws {InputError} `template-invalid`; when the plan is made, for `dhclient` on Debian or Ubuntu.
 */
export function networkManager(input: NetworkManagerInput = {}): Step<ImageOp> {
  const checked = checkStep("networkManager", networkManagerSchema, input);
  return { name: "network-manager", ops: (platform) => networkOps(checked, platform) };
}

function networkOps({ ignore, dhcp }: NetworkManager, { family, distribution }: Platform): readonly ImageOp[] {
  if (family === "dnf") {
    return [
      writeFile(
        "/etc/NetworkManager/conf.d/90-kvci-build.conf",
        lines(
          "[keyfile]",
          `unmanaged-devices=${ignore.map((name) => `interface-name:${name}`).join(";")}`,
          ...(dhcp === undefined ? [] : ["", "[main]", `dhcp=${dhcp}`]),
        ),
      ),
    ];
  }
  if (dhcp === "dhclient") {
    const message = `${distribution} has systemd-networkd, which is its own DHCP client`;
    throw unfitStep("networkManager", message, "Leave dhcp out for this distribution.");
  }
  return [
    writeFile(
      // The first file that matches counts: before cloud-init's and netplan's, 10-….
      "/etc/systemd/network/05-kvci-unmanaged.network",
      lines("[Match]", `Name=${ignore.join(" ")}`, "", "[Link]", "Unmanaged=yes"),
    ),
  ];
}
