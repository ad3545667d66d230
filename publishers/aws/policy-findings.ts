import type { AwsAction, AwsOutput } from "../../src/aws/clients.ts";
import type { AwsRequest } from "../../src/aws/aws-caller.ts";
import { launchers, EVERYBODY } from "./permissions.ts";
import { unknown, type BusyRegion, type Finding } from "./preflight-request.ts";

/** What policies of the account say about what is planned in a region: block public access, encryption by default. */
export async function policyFindings(busy: BusyRegion): Promise<readonly Finding[]> {
  const shared = launchers(busy.ports.target);
  const isPublic = shared.includes(EVERYBODY) && busy.steps.some(({ kind }) => kind.startsWith("share-"));
  const makesSnapshot = busy.steps.some(({ kind }) => kind === "upload-snapshot" || kind === "copy-image");
  const found = await Promise.all([
    isPublic ? imageBlock(busy) : [],
    isPublic ? snapshotBlock(busy) : [],
    shared.length > 0 && makesSnapshot ? encryption(busy) : [],
  ]);
  return found.flat();
}

async function imageBlock(busy: BusyRegion): Promise<readonly Finding[]> {
  const { region } = busy.region;
  return readable("ec2:GetImageBlockPublicAccessState", busy, (output) => {
    const { ImageBlockPublicAccessState: state, ManagedBy: manager = "account" } = output;
    const check = "block public access for images";
    if (state === "unblocked") return { level: "ok", check, detail: state };
    return blocked(check, {
      detail: `${state ?? "unknown"}, managed by ${manager}`,
      command: `aws ec2 disable-image-block-public-access --region ${region}`,
      manager,
    });
  });
}

async function snapshotBlock(busy: BusyRegion): Promise<readonly Finding[]> {
  const { region } = busy.region;
  return readable("ec2:GetSnapshotBlockPublicAccessState", busy, (output) => {
    const { State: state, ManagedBy: manager = "account" } = output;
    const check = "block public access for snapshots";
    if (state === "unblocked") return { level: "ok", check, detail: state };
    return blocked(check, {
      detail: `${state ?? "unknown"}, managed by ${manager}`,
      command: `aws ec2 disable-snapshot-block-public-access --region ${region}`,
      manager,
    });
  });
}

async function encryption(busy: BusyRegion): Promise<readonly Finding[]> {
  const { region } = busy.region;
  return readable("ec2:GetEbsEncryptionByDefault", busy, ({ EbsEncryptionByDefault: isOn = false }) => {
    const check = "encryption by default";
    if (!isOn) return { level: "ok", check, detail: "off" };
    return blocked(check, {
      detail: "on: every new snapshot is encrypted, and an encrypted one cannot be shared",
      command: `aws ec2 disable-ebs-encryption-by-default --region ${region}`,
      manager: "account",
    });
  });
}

function blocked(
  check: string,
  { detail, command, manager }: { readonly detail: string; readonly command: string; readonly manager: string },
): Omit<Finding, "place"> {
  const hint =
    manager === "declarative-policy"
      ? "A declarative policy of the organisation sets it: ask those who manage that; the account cannot change it."
      : `If this account is meant to have public images: ${command} (takes up to ten minutes).`;
  return { level: "error", code: "publish-blocked", check, detail, hint };
}

/** Asks, and takes a refusal to answer for what it is: nothing is known then. */
async function readable<A extends AwsAction>(
  action: A,
  { region: { region: place }, ports, options }: BusyRegion,
  judge: (output: AwsOutput<A>) => Omit<Finding, "place">,
): Promise<readonly Finding[]> {
  try {
    const request = { action, region: place, input: {} } as AwsRequest<A>;
    return [{ place, ...judge(await ports.caller.call(request, options)) }];
  } catch (error) {
    return [unknown(error, { place, check: action })];
  }
}
