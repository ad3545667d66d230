import assert from "node:assert/strict";
import type { AwsPublisherPorts } from "../../publishers/aws/aws-publisher.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { startAws, type AwsCounterpart, type AwsOptions } from "../counterparts/aws/start-aws.ts";
import { makeDisk, Publishing, releaseBuild, scratch, type Blocks } from "./aws-publishing.ts";
import { assertPublished, badRequests } from "./aws-readings.ts";

const HOME = "us-east-1";
const FIRST: Blocks = { 1: "a", 2: "b", 3: "c", 40: "d", 100: "e" };

describe("AWS publisher in trouble", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let build: ReleaseBuild;
  let aws: AwsCounterpart | undefined;

  before(async () => {
    ({ folder, remove } = await scratch());
    build = releaseBuild(await makeDisk(folder, { name: "first", blocks: FIRST, count: 128 }));
  });
  after(() => remove());
  afterEach(async () => {
    const bad = aws ? badRequests(aws) : [];
    await aws?.close();
    aws = undefined;
    assert.deepEqual(bad, []);
  });
  const start = async (options: AwsOptions = {}) => (aws = await startAws({ delays: { copyMs: 100 }, ...options }));
  let count = 0;
  const store = () => `${folder}/store-${String((count += 1))}`;

  it("goes without a region that it may lack, and not without one that it must have", async () => {
    const cloud = await start();
    const declared = { regions: ["eu-west-1"], bestEffortRegions: ["eu-west-2"], public: true };
    const ports = { callDeadlineMs: 1_500 };
    cloud.faults.add({ kind: "reset", region: "eu-west-2", times: "always" });
    const publishing = await Publishing.start(cloud, store(), { ...declared, ports });
    const plan = await publishing.plan([build]);
    assert.ok(plan.findings.some(({ place, level }) => place === "eu-west-2" && level === "warning"));
    const { leftOut } = await publishing.apply(plan);
    assert.deepEqual([...new Set(leftOut.map(({ place }) => place))], ["eu-west-2"]);
    assertPublished(cloud, "eu-west-1");
    cloud.faults.clear();
    assert.deepEqual((await publishing.publish([build])).leftOut, []);
    assertPublished(cloud, "eu-west-2");

    cloud.faults.add({ kind: "reset", action: "CopyImage", region: "eu-west-3", times: "always" });
    const other = releaseBuild({ ...build, version: "2.0" });
    const strict = await Publishing.start(cloud, store(), { regions: ["eu-west-1", "eu-west-3"], public: true, ports });
    await assert.rejects(strict.publish([other]), { code: "publish-failed" });
    const news = [...cloud.state.regions.values()].flatMap(({ images }) => [...images.values()]);
    assert.ok(news.filter(({ name }) => name.includes("2.0")).every(({ sharing }) => !sharing.public));
  });

  it("finds everything wrong at once, before a byte moves", async () => {
    const cloud = await start({
      limits: { publicImages: 0 },
      denied: ["ec2:CopyImage", "ec2:RegisterImage"],
    });
    cloud.region(HOME).encryptionByDefault = true;
    cloud.region("eu-west-1").imageBlock.state = "block-new-sharing";
    cloud.region("af-south-1").optIn = "not-opted-in";
    const publishing = await Publishing.start(cloud, store(), { regions: ["eu-west-1", "af-south-1"], public: true });
    const { findings } = await publishing.plan([build]);
    const errors = findings.filter(({ level }) => level === "error").map(({ place, check }) => `${place}: ${check}`);
    assert.deepEqual(errors.sort(), [
      "af-south-1: region",
      "eu-west-1: block public access for images",
      "eu-west-1: ec2:CopyImage",
      "eu-west-1: quota of public images",
      "us-east-1: ec2:RegisterImage",
      "us-east-1: encryption by default",
      "us-east-1: quota of public images",
    ]);
    assert.ok(findings.every(({ level, hint }) => level !== "error" || hint !== undefined));
    assert.ok(findings.some(({ check, level }) => check === "EBS direct APIs" && level === "unproven"));
    assert.deepEqual(cloud.mutatingCalls(), []);
  });

  it("asks for the rights of the boot test too, when there is one", async () => {
    const cloud = await start({ denied: ["ec2:RunInstances", "ec2:ImportKeyPair"] });
    const refused = async (ports: Partial<AwsPublisherPorts>): Promise<Record<string, string | undefined>> => {
      const { findings } = await (await Publishing.start(cloud, store(), { ports })).plan([build]);
      const errors = findings.filter(({ level }) => level === "error");
      return Object.fromEntries(errors.map(({ check, hint }) => [check, hint]));
    };
    assert.deepEqual(await refused({}), {});
    const hints = await refused({ smoke: () => Promise.resolve({}) });
    assert.deepEqual(Object.keys(hints).sort(), ["ec2:ImportKeyPair", "ec2:RunInstances"]);
    // One policy for all of the plan: a right at a time would cost a run for each.
    for (const right of ["ebs:StartSnapshot", "ec2:GetConsoleOutput", "ec2:RegisterImage", "ec2:TerminateInstances"]) {
      assert.ok(hints["ec2:RunInstances"]?.includes(`"${right}"`), right);
    }
    assert.ok(!hints["ec2:RunInstances"]?.includes("ssm:PutParameter"), "no parameter is planned");
    assert.deepEqual(cloud.mutatingCalls(), []);
  });

  it("comes through throttling, lost answers, late visibility and an ended session", async () => {
    const cloud = await start({
      delays: { copyMs: 100, visibleLookups: 2, writableCalls: 2, registerMs: 100 },
      faults: [
        { kind: "throttle", service: "ebs", action: "PutSnapshotBlock", times: 3 },
        { kind: "lost-reply", action: "StartSnapshot" },
        { kind: "lost-reply", action: "CompleteSnapshot" },
        { kind: "lost-reply", action: "RegisterImage" },
        { kind: "lost-reply", action: "CopyImage" },
        { kind: "failed-reply", action: "PutParameter" },
        { kind: "unavailable", action: "ModifyImageAttribute" },
      ],
    });
    const env = { ...cloud.env };
    const publishing = await Publishing.start(cloud, store(), {
      regions: ["eu-west-1", "eu-west-2"],
      public: true,
      ssmPrefix: "/kvci",
      ports: { env },
    });
    const plan = await publishing.plan([build]);
    Object.assign(env, cloud.expireSession().renewed);
    await publishing.apply(plan);
    for (const name of [HOME, "eu-west-1", "eu-west-2"]) assertPublished(cloud, name);
    assert.deepEqual(cloud.faults.hits, [3, 1, 1, 1, 1, 1, 1]);
  });

  it("refuses a disk that is not the one that was verified", async () => {
    const cloud = await start();
    const publishing = await Publishing.start(cloud, store());
    const other = releaseBuild({ ...build, content: `sha256:${"0".repeat(64)}` });
    await assert.rejects(publishing.publish([other]), { code: "publish-integrity" });
    assert.equal(cloud.region(HOME).images.size, 0);
  });

  it("boots the private image before it is shown, once", async () => {
    const cloud = await start();
    const booted: string[] = [];
    const smoke: Parameters<typeof Publishing.start>[2] = {
      public: true,
      ports: {
        smoke: ({ image, place }) => {
          const found = cloud.region(place).images.get(image);
          assert.equal(found?.sharing.public, false);
          booted.push(image);
          return Promise.resolve({ checks: 3 });
        },
      },
    };
    await (await Publishing.start(cloud, store(), smoke)).publish([build]);
    assert.equal(booted.length, 1);
  });

  it("comes out right when two runs meet", async () => {
    const cloud = await start();
    const declared = { regions: ["eu-west-1"], public: true, ssmPrefix: "/kvci" };
    const runs = await Promise.all([0, 1].map(() => Publishing.start(cloud, store(), declared)));
    await Promise.all(runs.map((run) => run.publish([build])));
    for (const name of [HOME, "eu-west-1"]) assertPublished(cloud, name);
  });
});
