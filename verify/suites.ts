import { KvciError } from "../src/core/error.ts";
import type { Check } from "./check.ts";
import { bootsByFirmware } from "./checks/boots-by-firmware.ts";
import { buildIdentityAbsent } from "./checks/build-identity-absent.ts";
import { clockSane } from "./checks/clock-sane.ts";
import { cniPluginsRun } from "./checks/cni-plugins-run.ts";
import { containerRuntimeAnswers } from "./checks/container-runtime-answers.ts";
import { hostnameApplied } from "./checks/hostname-applied.ts";
import { imagesPresent } from "./checks/images-present.ts";
import { kernelSettings } from "./checks/kernel-settings.ts";
import { kubeletEnabled } from "./checks/kubelet-enabled.ts";
import { noBuildUser } from "./checks/no-build-user.ts";
import { noFailedUnits } from "./checks/no-failed-units.ts";
import { noOldLogs } from "./checks/no-old-logs.ts";
import { noWorldWritableEtc } from "./checks/no-world-writable-etc.ts";
import { packageCachesEmpty } from "./checks/package-caches-empty.ts";
import { rootFilesystemGrown } from "./checks/root-filesystem-grown.ts";
import { sshdConfigValid } from "./checks/sshd-config-valid.ts";
import { swapAsDeclared } from "./checks/swap-as-declared.ts";
import { uniqueHostKeys } from "./checks/unique-host-keys.ts";
import { uniqueMachineId } from "./checks/unique-machine-id.ts";

/** Checks that belong together, and how many clones they need side by side. */
export interface Suite {
  readonly name: string;
  readonly clones: number;
  /** In the order their probes run. The first stands for the boot itself: it takes the blame when no clone comes up. */
  readonly checks: readonly [Check, ...Check[]];
}

const boot: Suite = {
  name: "boot",
  clones: 2,
  checks: [
    bootsByFirmware,
    // Waits for the boot to end; what follows may count on it.
    noFailedUnits,
    buildIdentityAbsent,
    noBuildUser,
    noOldLogs,
    packageCachesEmpty,
    uniqueMachineId,
    uniqueHostKeys,
    hostnameApplied,
    rootFilesystemGrown,
    clockSane,
    sshdConfigValid,
    noWorldWritableEtc,
  ],
};

const node: Suite = {
  name: "node",
  clones: 1,
  checks: [
    bootsByFirmware,
    noFailedUnits,
    containerRuntimeAnswers,
    kubeletEnabled,
    kernelSettings,
    swapAsDeclared,
    cniPluginsRun,
    imagesPresent,
  ],
};

export const SUITES: readonly Suite[] = [boot, node];

/** @throws {KvciError} `usage` naming the suites that exist. */
export function suiteNamed(name: string): Suite {
  const suite = SUITES.find((candidate) => candidate.name === name);
  if (suite) return suite;
  throw new KvciError("usage", `there is no verification suite "${name}"`, {
    hint: `Use --suite ${SUITES.map((candidate) => candidate.name).join(" or --suite ")}.`,
  });
}
