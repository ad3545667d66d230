import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Arch, Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { kernelArguments } from "./kernel-arguments.ts";
import { lines } from "./script.ts";
import { checkStep, unfitStep } from "./step-input.ts";
import { sysctls } from "./sysctls.ts";

/** As Kubernetes and as the kernel write the sizes. */
const SIZES = { "1Mi": "1M", "2Mi": "2M", "1Gi": "1G", "2Gi": "2G" } as const;
type Size = keyof typeof SIZES;

/** What each architecture has with pages of 4 KiB: the default size, and the one too large to be found once the system runs. */
const SIZES_OF: Readonly<Record<Arch, { readonly small: Size; readonly large: Size }>> = {
  amd64: { small: "2Mi", large: "1Gi" },
  arm64: { small: "2Mi", large: "1Gi" },
  s390x: { small: "1Mi", large: "2Gi" },
};

const pages = z.int().min(0).max(1_048_576).default(0);
const hugepagesSchema = recordOf({
  "1Mi": pages,
  "2Mi": pages,
  "1Gi": pages,
  "2Gi": pages,
  /** Reserves the small size by kernel arguments, too: surer, and memory that nothing else has used. Default: false, by sysctl. */
  boot: z.boolean().default(false),
}).refine((input) => (Object.keys(SIZES) as Size[]).some((size) => input[size] > 0), {
  error: "reserve at least one page",
});

export type HugepagesInput = DeepReadonly<z.input<typeof hugepagesSchema>>;
type Hugepages = z.output<typeof hugepagesSchema>;

/**
 * Reserves huge pages, by number of pages of each size: 2Mi and 1Gi, on s390x 1Mi and 2Gi. The large size is always
 * reserved by kernel arguments, because no such stretch of memory is free later, and gets a mount for programs outside of
 * pods (systemd has one for the small size; kubelet makes those of pods). A node with less memory than that boots badly.
 *
 * @throws {InputError} `template-invalid`; when the plan is made, for a size that the architecture does not have.
 */
export function hugepages(input: HugepagesInput): Step<ImageOp> {
  const checked = checkStep("hugepages", hugepagesSchema, input);
  return { name: "hugepages", ops: (platform) => hugepageOps(checked, platform) };
}

function hugepageOps(input: Hugepages, platform: Platform): readonly ImageOp[] {
  const { small, large } = SIZES_OF[platform.arch];
  refuseOthers(input, platform.arch);
  const early = [...(input.boot ? [small] : []), large].filter((size) => input[size] > 0);
  const late = !input.boot && input[small] > 0;
  return [
    ...(late ? sysctls({ "vm.nr_hugepages": input[small] }, "hugepages").ops(platform) : []),
    ...(early.length > 0 ? reserveEarly(input, early).ops(platform) : []),
    ...(input[large] > 0 ? mountOps(large) : []),
  ];
}

function refuseOthers(input: Hugepages, arch: Arch): void {
  const { small, large } = SIZES_OF[arch];
  const other = (Object.keys(SIZES) as Size[]).find((size) => input[size] > 0 && size !== small && size !== large);
  if (other === undefined) return;
  const message = `${arch} has no huge pages of ${other}: ${small} and ${large} are its sizes`;
  throw unfitStep("hugepages", message, "Leave the size out for this architecture.");
}

/** A number belongs to the size before it, so both are given in one go. */
function reserveEarly(input: Hugepages, sizes: readonly Size[]): Step<ImageOp> {
  const add = sizes.flatMap((size) => [`hugepagesz=${SIZES[size]}`, `hugepages=${String(input[size])}`]);
  return kernelArguments({ name: "hugepages", add });
}

function mountOps(size: Size): readonly ImageOp[] {
  const unit = `dev-hugepages${SIZES[size]}.mount`;
  const content = lines(
    "[Unit]",
    `Description=Huge pages of ${size}`,
    "DefaultDependencies=no",
    "Before=sysinit.target",
    "ConditionPathExists=/sys/kernel/mm/hugepages",
    "ConditionCapability=CAP_SYS_ADMIN",
    "",
    "[Mount]",
    "What=hugetlbfs",
    `Where=/dev/hugepages${SIZES[size]}`,
    "Type=hugetlbfs",
    `Options=pagesize=${SIZES[size]}`,
    "",
    "[Install]",
    "WantedBy=sysinit.target",
  );
  return [writeFile(`/etc/systemd/system/${unit}`, content), run("systemctl", "enable", unit)];
}
