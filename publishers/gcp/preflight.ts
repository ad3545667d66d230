import { KvciError } from "../../src/core/error.ts";
import { allowedInProject } from "../../src/gcp/projects.ts";
import { minimalRole } from "../../src/gcp/gcp-errors.ts";
import type { PreflightFinding } from "../../src/publish/publisher.ts";
import { bucketFindings } from "./preflight-bucket.ts";
import type { ImagePlan } from "./image-plan.ts";
import { membersOf } from "./image-plan.ts";
import type { Finding, PreflightPorts } from "./preflight-ports.ts";
import type { GcpState } from "./state.ts";

/** Everything that would fail later, all at once. Nothing is changed. */
export async function preflightGcp(
  plans: readonly ImagePlan[],
  state: GcpState,
  ports: PreflightPorts,
): Promise<readonly PreflightFinding[]> {
  const { target } = ports;
  const parts = await Promise.all([
    asked("rights in the project", () => projectRights(ports)),
    asked("bucket", () => bucketFindings(plans, ports)),
    asked("quota of images", () => quota(state, ports)),
  ]);
  const findings = [...parts.flat(), ...families(plans, state), ...sharing(ports), ...sizes(plans)];
  return findings.map((finding) => ({ target: target.name, place: target.project, ...finding }));
}

/** What cannot be asked is a finding, too: an error where it says why, unproven else. */
async function asked(check: string, ask: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof KvciError) || error.code === "interrupted") throw error;
    if (error.code !== "publish-denied") throw error;
    return [{ level: "unproven", check, detail: `cannot be asked: ${error.message}`, hint: error.hint }];
  }
}

const IMAGE_RIGHTS = ["create", "get", "list", "delete", "deprecate", "update", "setLabels", "getFromFamily"];
const POLICY_RIGHTS = ["getIamPolicy", "setIamPolicy"];
/** What `gcePlace` of the verifier needs to make an instance with a firewall rule of its own, look at it and remove both. */
const SMOKE_RIGHTS = [
  ...["create", "delete", "get", "getSerialPortOutput", "list", "setLabels", "setMetadata", "setTags"].map(
    (right) => `compute.instances.${right}`,
  ),
  ...["create", "delete", "list"].map((right) => `compute.firewalls.${right}`),
  "compute.disks.create",
  "compute.disks.setLabels",
  "compute.images.useReadOnly",
  "compute.networks.updatePolicy",
  "compute.subnetworks.use",
  "compute.subnetworks.useExternalIp",
  "compute.zoneOperations.get",
];

function neededRights({ smoke }: PreflightPorts): readonly string[] {
  const images = [...IMAGE_RIGHTS, ...POLICY_RIGHTS].map((right) => `compute.images.${right}`);
  return [...images, "compute.globalOperations.get", "compute.projects.get", ...(smoke ? SMOKE_RIGHTS : [])];
}

async function projectRights(ports: PreflightPorts): Promise<readonly Finding[]> {
  const { send, target, signal } = ports;
  const check = "rights in the project";
  const needed = neededRights(ports);
  const granted = await allowedInProject(send, { project: target.project, permissions: needed, signal });
  const missing = needed.filter((right) => !granted.includes(right));
  if (missing.length === 0) return [{ level: "ok", check, detail: `all ${needed.length} are there` }];
  const hint = minimalRole(missing);
  return [{ level: "error", check, detail: `missing: ${missing.join(", ")}`, hint, code: "publish-denied" }];
}

async function quota({ images }: GcpState, { compute, target }: PreflightPorts): Promise<readonly Finding[]> {
  const check = "quota of images";
  const planned = images.filter(({ image }) => image === null).length;
  const { limit = Infinity, usage = 0 } = (await compute.quotas()).find(({ metric }) => metric === "IMAGES") ?? {};
  const detail = `${usage} of ${limit} used, ${planned} more planned`;
  if (usage + planned <= limit) return [{ level: "ok", check, detail }];
  const managed = await compute.images(`labels.kvci-managed = "true"`);
  const superseded = managed.filter(({ deprecated }) => deprecated?.replacement !== undefined).length;
  const free = Math.max(0, superseded - target.keep);
  return [
    {
      level: "error",
      check,
      detail,
      hint: `\`kvci-build publish gc\` could free about ${free}; or ask for more IMAGES under IAM & Admin, Quotas.`,
      code: "publish-quota",
    },
  ];
}

function families(plans: readonly ImagePlan[], { images }: GcpState): readonly Finding[] {
  const check = "family";
  const named = Map.groupBy(
    plans.filter(({ family }) => family !== null),
    ({ family }) => family,
  );
  return [...named.entries()].map(([family, members]): Finding => {
    const shown = String(family);
    if (new Set(members.map(({ arch }) => arch)).size > 1) {
      const detail = `${shown} is to stand for ${members.map(({ name }) => name).join(" and ")}: whoever asks for it gets either`;
      return { level: "error", check, detail, hint: "Put {arch} into the family's name.", code: "publish-conflict" };
    }
    const names = members.map(({ name }) => name);
    const now = images.find(({ name }) => name === names[0])?.familyImage ?? null;
    const detail = `${shown} stands for ${now ?? "nothing"} now`;
    if (now === null || isOurs(now, names, images)) return { level: "ok", check, detail };
    return { level: "warning", check, detail: `${detail}, which is not ours to deprecate` };
  });
}

/** One of this release, or one that we manage. */
function isOurs(link: string, names: readonly string[], images: GcpState["images"]): boolean {
  const managed = images.flatMap(({ former }) => former);
  return [...names, ...managed].some((name) => link.endsWith(`/${name}`));
}

function sharing({ target, smoke }: PreflightPorts): readonly Finding[] {
  const members = membersOf(target);
  if (members.length === 0) return [];
  const untested: Finding = {
    level: "warning",
    check: "boot test",
    detail: "the image becomes public without having been booted in Google Cloud",
    hint: "Set smokeZone in the environment.",
  };
  return [
    {
      level: "unproven",
      check: "policies of the organisation",
      detail: `whether they let ${members.join(", ")} in cannot be asked (iam.allowedPolicyMemberDomains)`,
    },
    ...(target.public && !smoke ? [untested] : []),
  ];
}

function sizes(plans: readonly ImagePlan[]): readonly Finding[] {
  return plans.map(({ name, virtualBytes, settings: { diskGiB } }) => {
    const isWhole = virtualBytes === diskGiB * 2 ** 30;
    return {
      level: "ok",
      check: "disk size",
      detail: `${name} has ${diskGiB} GiB${isWhole ? "" : `, filled up from ${virtualBytes} bytes: Compute Engine takes whole GiB`}`,
    };
  });
}
