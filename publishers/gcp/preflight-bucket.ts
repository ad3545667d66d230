import { KvciError } from "../../src/core/error.ts";
import { minimalRole } from "../../src/gcp/gcp-errors.ts";
import type { BucketPolicy, Storage, StorageBucket } from "../../src/gcp/storage.ts";
import type { ImagePlan } from "./image-plan.ts";
import type { Finding, PreflightPorts } from "./preflight-ports.ts";

const OBJECT_RIGHTS = ["create", "get", "list", "delete"].map((right) => `storage.objects.${right}`);
/** Objects with lists of their own are read together with these. */
const READ_LIST_RIGHT = "storage.objects.getIamPolicy";
const WRITE_LIST_RIGHT = "storage.objects.setIamPolicy";

/** The bucket: there, ours to write, private as a whole, and able to hold what is wanted. */
export async function bucketFindings(
  plans: readonly ImagePlan[],
  { storage, target }: PreflightPorts,
): Promise<readonly Finding[]> {
  const bucket = await storage.bucket();
  if (!bucket) {
    const hint = `gcloud storage buckets create gs://${target.bucket} --project=${target.project} --public-access-prevention`;
    return [
      { level: "error", check: "bucket", detail: `there is no bucket ${target.bucket}`, hint, code: "publish-denied" },
    ];
  }
  const wantsAcl = plans.some((plan) => plan.export?.public === true);
  const [rights, open] = await Promise.all([bucketRights(storage, rightsIn(bucket, wantsAcl)), openness(storage)]);
  return [
    where(bucket, target.storageLocations),
    ...rights,
    ...open,
    ...retention(bucket),
    ...(wantsAcl ? publicFiles(bucket) : []),
  ];
}

function rightsIn({ iamConfiguration }: StorageBucket, wantsAcl: boolean): readonly string[] {
  const hasLists = iamConfiguration.uniformBucketLevelAccess?.enabled !== true;
  return [...OBJECT_RIGHTS, ...(hasLists ? [READ_LIST_RIGHT] : []), ...(wantsAcl ? [WRITE_LIST_RIGHT] : [])];
}

async function bucketRights(storage: Storage, needed: readonly string[]): Promise<readonly Finding[]> {
  const check = "rights in the bucket";
  const granted = await storage.allowed(needed);
  const missing = needed.filter((right) => !granted.includes(right));
  if (missing.length === 0) return [{ level: "ok", check, detail: `all ${needed.length} are there` }];
  const hint = minimalRole(missing);
  return [{ level: "error", check, detail: `missing: ${missing.join(", ")}`, hint, code: "publish-denied" }];
}

/** A bucket that everybody reads would show the upload before anything was verified. */
async function openness(storage: Storage): Promise<readonly Finding[]> {
  const check = "bucket is private";
  let policy: BucketPolicy;
  try {
    policy = await storage.bucketPolicy();
  } catch (error) {
    if (!(error instanceof KvciError) || error.code !== "publish-denied") throw error;
    return [{ level: "unproven", check, detail: "its policy may not be read (storage.buckets.getIamPolicy)" }];
  }
  const open = policy.bindings.filter(({ members }) =>
    members.some((each) => /^all(?:Authenticated)?Users$/.test(each)),
  );
  const reading = open.filter(({ role }) => /viewer|reader|admin|owner/i.test(role)).map(({ role }) => role);
  if (reading.length === 0) return [{ level: "ok", check, detail: "nobody reads it as a whole" }];
  return [
    {
      level: "error",
      check,
      detail: `${reading.join(", ")} is everybody's: the upload would be public before it is verified`,
      hint: "Take another bucket for uploads, or grant reading on the released objects only.",
      code: "publish-blocked",
    },
  ];
}

function where({ name, location, locationType }: StorageBucket, wanted: readonly string[]): Finding {
  const check = "bucket location";
  const shown = `${name} is in ${location.toLowerCase()}${locationType === undefined ? "" : ` (${locationType})`}`;
  const isElsewhere = wanted.length > 0 && !wanted.some((each) => each.toLowerCase() === location.toLowerCase());
  const detail = isElsewhere
    ? `${shown}; the image is kept in ${wanted.join(", ")}: the bytes move once between them`
    : shown;
  return { level: "ok", check, detail };
}

function retention({ retentionPolicy }: StorageBucket): readonly Finding[] {
  if (retentionPolicy?.retentionPeriod === undefined) return [];
  const days = Math.ceil(Number(retentionPolicy.retentionPeriod) / 86_400);
  return [
    {
      level: "error",
      check: "bucket retention",
      detail: `objects may not be removed for ${days} days: the upload would stay, and its removal fail`,
      hint: "Take a bucket without a retention policy.",
      code: "publish-blocked",
    },
  ];
}

/** One object can be public alone only where objects have lists of their own, and where nothing forbids it. */
function publicFiles({ name, iamConfiguration }: StorageBucket): readonly Finding[] {
  const check = "public release file";
  const { publicAccessPrevention, uniformBucketLevelAccess } = iamConfiguration;
  if (publicAccessPrevention === "enforced") {
    const hint = `gcloud storage buckets update gs://${name} --no-public-access-prevention; or set export.public: false.`;
    return [{ level: "error", check, detail: "public access prevention forbids it", hint, code: "publish-blocked" }];
  }
  if (uniformBucketLevelAccess?.enabled === true) {
    const hint = `gcloud storage buckets update gs://${name} --no-uniform-bucket-level-access; or set export.public: false.`;
    const detail = "with uniform bucket-level access no object can be public alone";
    return [{ level: "error", check, detail, hint, code: "publish-blocked" }];
  }
  return [{ level: "ok", check, detail: "objects have their own lists" }];
}
