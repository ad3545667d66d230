import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep, fileName, placeFile, textOrFile, unitName } from "./step-input.ts";

/** These come after multi-user.target, which waits for the unit: ordered after one of them, none of it would start. */
const TOO_LATE = ["cloud-final.service", "cloud-init.target", "multi-user.target", "graphical.target"];

const orderedAfter = unitName.refine((unit) => !TOO_LATE.includes(unit), {
  error:
    "comes after multi-user.target, and that waits for this unit: a cycle. cloud-config.service is the latest of cloud-init's to wait for",
});

const firstBootSchema = recordOf({
  /** Names the unit, `kvci-first-boot-<name>.service`. */
  name: fileName,
  /** The script with its `#!` line, or `{ file: "files/join.sh" }`. Run as root; exit 0 means done. */
  script: textOrFile.refine((script) => typeof script !== "string" || script.startsWith("#!/"), {
    error: 'a script begins with its interpreter, for example "#!/bin/sh"',
  }),
  /** Seconds until one try is ended. Default: 300. */
  timeoutSeconds: z.int().min(1).max(86_400).default(300),
  /** Further tries after the first. Default: 3. */
  retries: z.int().min(0).max(100).default(3),
  /** Seconds between two tries. Default: 10. */
  retryDelaySeconds: z.int().min(1).max(3_600).default(10),
  /** Seconds to wait for a host name other than localhost, which DHCP may bring late. Default: 30; 0 does not wait. */
  hostnameSeconds: z.int().min(0).max(3_600).default(30),
  /** Units to wait for beside cloud-init's configuration and the network. */
  after: z.array(orderedAfter).default([]),
  /** Units that wait for this one. */
  before: z.array(unitName).default([]),
});

export type FirstBootInput = DeepReadonly<z.input<typeof firstBootSchema>>;
type FirstBoot = z.output<typeof firstBootSchema>;

const BIN = "/usr/libexec/kvci-build";
const STATE = "kvci-build/first-boot";
/** Where stamps of finished first-boot units are; sealing removes what a build left there. */
export const FIRST_BOOT_STATE = `/var/lib/${STATE}`;
/** Seconds systemd gives a script to end after SIGTERM. */
const STOP_SECONDS = 10;

/**
 * Runs a script once, on the node's own first boot: after cloud-init's configuration, with network and final host name.
 * Tried again when it fails; after the last try the console, the journal and `systemctl status` say what went wrong and how
 * to run it again, and the next boot tries anew. Not run while a template is being built.
 *
 * @throws {InputError} `template-invalid`
 */
export function firstBoot(input: FirstBootInput): Step<ImageOp> {
  const checked = checkStep("firstBoot", firstBootSchema, input);
  const unit = `kvci-first-boot-${checked.name}.service`;
  const ops = [
    placeFile(`${BIN}/first-boot/${checked.name}`, checked.script, 0o755),
    writeFile(`${BIN}/wait-for-hostname`, WAIT_FOR_HOSTNAME, { mode: 0o755 }),
    writeFile(`${BIN}/first-boot-failed`, FAILED, { mode: 0o755 }),
    writeFile("/etc/systemd/system/kvci-first-boot-failed@.service", FAILED_UNIT),
    writeFile(`/etc/systemd/system/${unit}`, firstBootUnit(checked)),
    run("systemctl", "enable", unit),
  ];
  return { name: `first-boot-${checked.name}`, ops: () => ops };
}

function firstBootUnit(options: FirstBoot): string {
  const { name, timeoutSeconds, retries, after, before } = options;
  return lines(
    "[Unit]",
    `Description=First boot: ${name}`,
    "# cloud-config.service: by then cloud-init has set the host name. Not cloud-final: that one waits for multi-user.target.",
    `After=${["cloud-config.service", "network-online.target", ...after].join(" ")}`,
    `Wants=${["network-online.target", ...after].join(" ")}`,
    ...(before.length > 0 ? [`Before=${before.join(" ")}`] : []),
    "# Only once, and not in the machine that builds the image.",
    `ConditionPathExists=!${FIRST_BOOT_STATE}/${name}.done`,
    "ConditionPathExists=!/run/kvci-build",
    ...startLimit(options),
    `OnFailure=kvci-first-boot-failed@${name}.service`,
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    ...(options.hostnameSeconds > 0
      ? [`ExecStartPre=${BIN}/wait-for-hostname ${String(options.hostnameSeconds)}`]
      : []),
    `ExecStart=${BIN}/first-boot/${name}`,
    `ExecStartPost=/usr/bin/touch ${FIRST_BOOT_STATE}/${name}.done`,
    `StateDirectory=${STATE}`,
    `TimeoutStartSec=${String(timeoutSeconds)}`,
    `TimeoutStopSec=${String(STOP_SECONDS)}`,
    ...(retries > 0 ? ["Restart=on-failure", `RestartSec=${String(options.retryDelaySeconds)}`] : []),
    "StandardOutput=journal+console",
    "StandardError=journal+console",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  );
}

/** systemd counts starts in a window: one wide enough for every try to run into its timeout makes it a count of tries. */
function startLimit({ timeoutSeconds, hostnameSeconds, retries, retryDelaySeconds }: FirstBoot): readonly string[] {
  const tries = retries + 1;
  const longest = timeoutSeconds + hostnameSeconds + retryDelaySeconds + 2 * STOP_SECONDS;
  return [`StartLimitIntervalSec=${String(tries * longest)}`, `StartLimitBurst=${String(tries)}`];
}

const WAIT_FOR_HOSTNAME = lines(
  "#!/bin/sh",
  "# Waits until the machine has a name of its own; by DHCP it may come later than the address.",
  "set -eu",
  "waited=0",
  "while :; do",
  "  name=$(uname -n)",
  '  case "$name" in',
  '    "" | "(none)" | localhost | localhost.*) ;;',
  "    # systemd's mark for a name that nobody gave, such as Fedora's \"fedora\".",
  "    *) [ -e /run/systemd/default-hostname ] || exit 0 ;;",
  "  esac",
  '  [ "$waited" -lt "$1" ] || break',
  "  sleep 1",
  "  waited=$((waited + 1))",
  "done",
  'echo "kvci-build: the machine is still named $name after $1 s; going on with that name" >&2',
);

const FAILED = lines(
  "#!/bin/sh",
  "# Says on the console and in the journal that a first-boot step gave up, why, and what to do.",
  "set -eu",
  'unit="kvci-first-boot-$1.service"',
  'tries=$(($(systemctl show --property=NRestarts --value "$unit") + 1))',
  'result=$(systemctl show --property=Result --value "$unit")',
  'status=$(systemctl show --property=ExecMainStatus --value "$unit")',
  'echo "kvci-build: first-boot step $1 FAILED ($result, last exit status $status, $tries tries)"',
  'echo "Its last lines:"',
  'journalctl --boot --unit="$unit" --lines=20 --output=cat --no-pager',
  'echo "All of it:     journalctl --boot --unit=$unit"',
  'echo "Run it again:  systemctl reset-failed $unit && systemctl start $unit"',
);

const FAILED_UNIT = lines(
  "[Unit]",
  "Description=Report of the failed first-boot step %i",
  "",
  "[Service]",
  "Type=oneshot",
  `ExecStart=${BIN}/first-boot-failed %i`,
  "StandardOutput=journal+console",
  "StandardError=journal+console",
);
