import type { ImageOp } from "../core/op.ts";
import type { Step } from "../core/step.ts";
import { composed } from "./composed-step.ts";
import { installPackages } from "./packages.ts";
import { services } from "./services.ts";

/**
 * Installs the iSCSI initiator; its daemon is started when something asks for it. Each node makes an initiator name of its
 * own: sealing removes the one that came with the package.
 */
export function iscsi(): Step<ImageOp> {
  return composed("iscsi", [
    installPackages({ apt: ["open-iscsi"], dnf: ["iscsi-initiator-utils"] }),
    services({ enable: ["iscsid.socket"] }),
  ]);
}
