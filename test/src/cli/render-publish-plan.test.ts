import assert from "node:assert/strict";
import { renderPublishPlan, type ShownPlan } from "../../../src/cli/render-publish-plan.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { plainPaint } from "../../../src/journal/paint.ts";
import { planCost } from "../../../src/publish/cost.ts";
import type { PreflightFinding, PublishedImage } from "../../../src/publish/publisher.ts";
import type { PublishStep } from "../../../src/publish/step.ts";
import { fakeStep } from "../../fakes/fake-publisher.ts";

const REGIONS = ["us-east-2", "eu-west-1", "eu-west-2", "sa-east-1"];
const STEPS: readonly PublishStep[] = [
  fakeStep({
    ...{ target: "aws", place: "us-east-1", phase: "stage", title: "upload the disk" },
    quantities: { bytes: 3 * 1024 ** 2, requests: 1, "GiB-months of snapshots": 0 },
  }),
  ...REGIONS.map((place) =>
    fakeStep({ target: "aws", place, phase: "replicate", title: "copy the image", quantities: { copies: 1 } }),
  ),
  ...REGIONS.map((place) => fakeStep({ target: "aws", place, phase: "publish", title: "image: public" })),
  fakeStep({ target: "quay", place: "quay.io", phase: "promote", title: "tag node:1.0", required: false }),
];
const FINDINGS: readonly PreflightFinding[] = [
  ...REGIONS.map((place) => ({ target: "aws", place, level: "ok" as const, check: "encryption", detail: "off" })),
  { target: "aws", place: "us-east-1", level: "error", check: "quota", detail: "5 of 5 used", hint: "Ask\nfor more." },
];
const PRICES = new Map([["aws", { asOf: "2026-11-01", usd: { copies: 0, requests: 0.0005 } }]]);

function shown(given: Partial<ShownPlan["plan"]>, present: readonly PublishedImage[] = []): string {
  const { steps = [], findings = [] } = given;
  const plan: ShownPlan["plan"] = {
    formatVersion: 1,
    id: sha256("plan"),
    subject: sha256("subject"),
    builds: [{ template: "node", arch: "amd64", version: "1.0", content: sha256("content") }],
    targets: ["aws", "quay"],
    steps,
    findings,
  };
  return renderPublishPlan({ plan, present, cost: planCost(steps, PRICES) }, plainPaint);
}

describe("a publish plan for people", () => {
  it("has checks with the worst first, steps by phase, and what they take and cost", () => {
    assert.equal(
      shown({ steps: STEPS, findings: FINDINGS }),
      `publish node amd64 1.0 to aws, quay

checks
  error     aws us-east-1: quota: 5 of 5 used
            Ask
            for more.
  ok        aws 4 places: encryption: off

stage
  aws   us-east-1  upload the disk · 3 MiB, 1 request
replicate
  aws   4 places   copy the image · 1 copy each
      us-east-2, eu-west-1, eu-west-2, sa-east-1
publish
  aws   4 places   image: public (visible to others)
promote
  quay  quay.io    tag node:1.0 (best effort)

takes
  aws  < 0.01  GiB sent                    unknown
  aws       1  request                  0.0005 USD
  aws       0  GiB-months of snapshots     unknown
  aws       4  copies                     0.00 USD
cost: 0.0005 USD, and what is unknown: GiB sent, GiB-months of snapshots; prices of 2026-11-01
`,
    );
  });

  it("says what is there already, and that there is nothing to do", () => {
    const image: PublishedImage = {
      ...{ target: "aws", kind: "aws", owner: "123456789012", place: "us-east-1", id: "ami-1", name: "node-1.0-amd64" },
      ...{ arch: "amd64", content: sha256("content"), attributes: sha256("attributes"), version: "1.0" },
      ...{ public: true, createdAt: "2026-01-02T03:04:05Z", details: {} },
    };
    assert.equal(
      shown({}, [image]),
      `publish node amd64 1.0 to aws, quay

already there
  aws  us-east-1  ami-1  public

nothing to do: everything is there
`,
    );
  });
});
