import assert from "node:assert/strict";
import { collectItem } from "../../../publishers/aws/collect.ts";
import { awsCaller } from "../../../src/aws/aws-caller.ts";
import type { AwsAction, AwsApi } from "../../../src/aws/clients.ts";
import { awsTarget } from "./aws-state.ts";

const { signal } = new AbortController();
const OWN = "/kubevirt/quickstart/1.0.0/amd64";
const item = { target: "aws", place: "eu-west-1", id: "ami-1", what: "image", reason: "superseded" };

/** A region with one image of ours and its parameter; `others` are what AWS finds to use the image beside it. */
class OneImage implements AwsApi {
  readonly asked: AwsAction[] = [];
  readonly #others: readonly string[];

  constructor(...others: readonly string[]) {
    this.#others = others;
  }

  send: AwsApi["send"] = ({ action }) => {
    this.asked.push(action);
    const parameter = `arn:aws:ssm:eu-west-1:111122223333:parameter${OWN}`;
    const tags = { managed: "true", template: "quickstart", version: "1.0.0", arch: "amd64" };
    const Tags = Object.entries(tags).map(([key, Value]) => ({ Key: `kvci:${key}`, Value }));
    const answers: Partial<Record<AwsAction, unknown>> = {
      "ec2:DescribeImages": { Images: [{ ImageId: "ami-1", State: "available", Tags }] },
      "ec2:DescribeImageReferences": { ImageReferences: [parameter, ...this.#others].map((Arn) => ({ Arn })) },
      "ssm:GetParameters": { Parameters: [{ Name: OWN, Value: "ami-1", DataType: "aws:ec2:image" }] },
    };
    return Promise.resolve((answers[action] ?? {}) as never);
  };

  renew(): void {
    this.asked.push("sts:GetCallerIdentity");
  }
}

function collect(api: AwsApi): Promise<void> {
  const target = awsTarget({ ssmPrefix: "/kubevirt/{template}" });
  return collectItem(item, { target, caller: awsCaller(api) }, signal);
}

describe("removal of an AMI", () => {
  it("takes the parameter of its own version along, which is no user of it", async () => {
    const api = new OneImage();
    await collect(api);
    assert.deepEqual(api.asked.slice(-2), ["ssm:DeleteParameter", "ec2:DeregisterImage"]);
  });

  it("is refused while anything else uses it, other parameters included", async () => {
    const users = [`arn:aws:ssm:eu-west-1:111122223333:parameter/theirs${OWN}/x`, "arn:aws:ec2:…:instance/i-1"];
    for (const user of users) {
      const api = new OneImage(user);
      await assert.rejects(collect(api), { code: "publish-blocked", evidence: [user] });
      assert.ok(!api.asked.includes("ec2:DeregisterImage"));
    }
  });
});
