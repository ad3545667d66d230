import { minimalPolicy } from "../../src/aws/aws-errors.ts";
import type { AwsAction } from "../../src/aws/clients.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import type { AwsStepKind } from "./step-inputs.ts";

/** Actions of IAM that have no call of ours: rights that others ask for. */
type Right = AwsAction | "ec2:CreateTags" | "ssm:AddTagsToResource";

/** What every run reads. */
const READS: readonly Right[] = [
  "ec2:DescribeImageAttribute",
  "ec2:DescribeImages",
  "ec2:DescribeRegions",
  "ec2:DescribeSnapshotAttribute",
  "ec2:DescribeSnapshots",
  "ec2:GetEbsEncryptionByDefault",
  "ec2:GetImageBlockPublicAccessState",
  "ec2:GetSnapshotBlockPublicAccessState",
  "servicequotas:GetAWSDefaultServiceQuota",
  "servicequotas:GetServiceQuota",
  "ssm:GetParameters",
  "sts:GetCallerIdentity",
];

/** What a step needs beside that, to be done and to be taken back. Whatever is made gets its tags in the creating call. */
const OF_STEPS: Readonly<Record<AwsStepKind, readonly Right[]>> = {
  "upload-snapshot": [
    "ebs:CompleteSnapshot",
    "ebs:PutSnapshotBlock",
    "ebs:StartSnapshot",
    "ec2:CreateTags",
    "ec2:DeleteSnapshot",
  ],
  "register-image": ["ec2:CreateTags", "ec2:DeleteSnapshot", "ec2:DeregisterImage", "ec2:RegisterImage"],
  "copy-image": ["ec2:CopyImage", "ec2:CreateTags", "ec2:DeleteSnapshot", "ec2:DeregisterImage"],
  "verify-image": [],
  "smoke-test": [
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DeleteKeyPair",
    "ec2:DeleteSecurityGroup",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeSecurityGroups",
    "ec2:GetConsoleOutput",
    "ec2:ImportKeyPair",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
  ],
  "limit-image": ["ec2:DisableImageDeprecation", "ec2:EnableImageDeprecation"],
  "share-snapshot": ["ec2:ModifySnapshotAttribute"],
  "share-image": ["ec2:ModifyImageAttribute"],
  "set-parameter": ["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter"],
  "deprecate-former": ["ec2:DisableImageDeprecation", "ec2:EnableImageDeprecation"],
};

/** A policy with everything that steps need and nothing else: one that is short of a right costs a run for each. */
export function policyFor(steps: readonly Pick<PublishStep, "kind">[]): string {
  const kinds: Readonly<Record<string, readonly Right[]>> = OF_STEPS;
  return minimalPolicy([...new Set([...READS, ...steps.flatMap(({ kind }) => kinds[kind] ?? [])])].sort());
}
