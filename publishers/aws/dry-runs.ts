import { minimalPolicy, type AwsFailure } from "../../src/aws/aws-errors.ts";
import type { AwsAction, AwsInput } from "../../src/aws/clients.ts";
import { awsTags, MANAGED_TAG } from "../../src/aws/managed-tags.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import { verdictOf, type AwsRequest } from "../../src/aws/aws-caller.ts";
import { imagePlan, type ImagePlan } from "./image-plan.ts";
import { permissionOf } from "./permissions.ts";
import type { BusyRegion, Finding } from "./preflight-request.ts";
import { registration } from "./register-image.ts";
import { policyFor } from "./rights.ts";

/** Where there is no image yet, rights are asked for with one that nobody has: AWS looks at rights first. */
const NO_IMAGE = "ami-00000000000000000";
const NO_SNAPSHOT = "snap-00000000000000000";
/** A public key that nobody has the private half of. */
const NO_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA nobody";

type ResourceType = "instance" | "key-pair" | "security-group";

interface DryRun<A extends AwsAction> {
  readonly action: A;
  readonly input: AwsInput<A>;
}

/** Asks EC2 whether it would do what the steps of a region need. */
export async function dryRuns(busy: BusyRegion): Promise<readonly Finding[]> {
  const kinds = new Map(busy.steps.map((step) => [step.kind, step]));
  const runs = [
    ...of(kinds.get("register-image"), (plan) => ({
      action: "ec2:RegisterImage" as const,
      input: { ...registration(plan, NO_SNAPSHOT), DryRun: true },
    })),
    ...of(kinds.get("copy-image"), ({ name }) => ({
      action: "ec2:CopyImage" as const,
      input: { Name: name, SourceRegion: busy.ports.target.region, SourceImageId: NO_IMAGE, DryRun: true },
    })),
    ...of(kinds.get("share-image"), ({ account }) => ({
      action: "ec2:ModifyImageAttribute" as const,
      input: { ImageId: NO_IMAGE, LaunchPermission: { Add: [permissionOf(account)] }, DryRun: true },
    })),
    ...of(kinds.get("share-snapshot"), ({ account }) => ({
      action: "ec2:ModifySnapshotAttribute" as const,
      input: {
        SnapshotId: NO_SNAPSHOT,
        Attribute: "createVolumePermission" as const,
        CreateVolumePermission: { Add: [permissionOf(account)] },
        DryRun: true,
      },
    })),
    ...bootRuns(kinds.get("smoke-test")),
  ];
  return Promise.all(runs.map((run) => ask(run, busy)));
}

/**
 * What a boot test makes; see `ec2Place`. It is the last thing before an image is seen, and late to find a right missing. What it does
 * to things that it made is not asked for: a policy that allows that by their tag (docs/publishing-aws.md) refuses it for what is
 * not there.
 */
function bootRuns(step: PublishStep | undefined): readonly DryRun<AwsAction>[] {
  if (!step) return [];
  const name = "kvci-verify-preflight";
  const tagged = (ResourceType: ResourceType) => ({
    TagSpecifications: [{ ResourceType, Tags: awsTags({ [MANAGED_TAG]: "true" }) }],
  });
  const runs: { readonly [A in AwsAction]?: AwsInput<A> } = {
    "ec2:ImportKeyPair": { KeyName: name, PublicKeyMaterial: Buffer.from(NO_KEY), ...tagged("key-pair") },
    "ec2:CreateSecurityGroup": { GroupName: name, Description: "asked for and not made", ...tagged("security-group") },
    "ec2:RunInstances": { ImageId: NO_IMAGE, MinCount: 1, MaxCount: 1, ...tagged("instance") },
    "ec2:DescribeInstanceTypes": {},
    "ec2:DescribeInstances": {},
  };
  return Object.entries(runs).map(([action, input]) => ({
    action: action as AwsAction,
    input: { ...input, DryRun: true },
  }));
}

function of<A extends AwsAction>(
  step: PublishStep | undefined,
  make: (plan: ImagePlan) => DryRun<A>,
): readonly DryRun<A>[] {
  if (!step) return [];
  const { image } = step.inputs as { readonly image: unknown };
  return [make(imagePlan.parse(image))];
}

async function ask<A extends AwsAction>({ action, input }: DryRun<A>, busy: BusyRegion): Promise<Finding> {
  const { ports, options } = busy;
  const place = busy.region.region;
  const request = { action, region: place, input } as AwsRequest<A>;
  const answer = await ports.caller.ask(request, { ...options, isExpected: (failure) => isAnswer(failure, request) });
  const found = { place, check: action };
  if ("output" in answer || answer.failure.code === "DryRunOperation") {
    return { ...found, level: "ok", detail: "allowed" };
  }
  const { failure } = answer;
  const verdict = verdictOf(failure, request);
  if (verdict.kind === "final" && verdict.error.code === "publish-denied") {
    const hint = `Allow it: ${minimalPolicy([action])}. All that this plan needs: ${policyFor(busy.request.steps)}`;
    return { ...found, level: "error", code: "publish-denied", detail: failure.message, hint };
  }
  return { ...found, level: "unproven", detail: `a dry run was answered with ${failure.code}: ${failure.message}` };
}

/** Anything but what passes. */
function isAnswer(failure: AwsFailure, request: { readonly action: string; readonly region: string }): boolean {
  const { kind } = verdictOf(failure, request);
  return failure.code === "DryRunOperation" || kind === "final" || kind === "absent";
}
