import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { readBuildRecord } from "../../src/pipeline/build-record.ts";
import type { PublishedImage } from "../../src/publish/publisher.ts";
import { DEFAULT_REGIONS, startAws, type AwsCounterpart } from "../counterparts/aws/start-aws.ts";
import type { RunningMachine, RunRequest } from "../counterparts/aws/world.ts";
import { startGcp, type GcpCounterpart } from "../counterparts/gcp/start-gcp.ts";
import { CloudMachines } from "../world/cloud-machines.ts";
import { command } from "../world/command.ts";
import { RegistryWorld } from "../world/registry.ts";
import type { Ended, Workspace } from "./kvci.ts";
import { E2E } from "./shared-store.ts";

const GIB = 1024 ** 3;
const MINUTE_MS = 60_000;
const HOME = "us-east-1";
const REGIONS = DEFAULT_REGIONS.slice(0, 20);
const BUCKET = "kvci-bucket";
const ENVIRONMENT = "./publish.ts";
const VERSION = "1.0.0";

/** A registry, a project, and a cloud of 20 regions whose instances are real machines with the bytes that were published. */
class Clouds implements AsyncDisposable {
  readonly registry: RegistryWorld;
  readonly aws: AwsCounterpart;
  readonly gcp: GcpCounterpart;
  readonly machines: CloudMachines;
  readonly #folder: string;

  private constructor(parts: Pick<Clouds, "registry" | "aws" | "gcp" | "machines">, folder: string) {
    this.registry = parts.registry;
    this.aws = parts.aws;
    this.gcp = parts.gcp;
    this.machines = parts.machines;
    this.#folder = folder;
  }

  static async start(): Promise<Clouds> {
    const folder = await mkdtemp(join(E2E, "registry-"));
    const machines = await CloudMachines.start();
    const registry = await RegistryWorld.start(folder);
    const aws: AwsCounterpart = await startAws({
      folder: join(folder, "aws"),
      delays: { copyMs: 500 },
      onRunInstance: (request) => ec2Machine(aws, machines, request),
    });
    const gcp = await startGcp({ buckets: [BUCKET] });
    return new Clouds({ registry, aws, gcp, machines }, folder);
  }

  get environment(): string {
    const smokeSshPort = this.machines.sshPort;
    const publishTo = [
      { kind: "registry", repository: `${this.registry.host}/kvci/{template}`, image: "layered-disk" },
      {
        kind: "aws",
        region: HOME,
        regions: REGIONS,
        public: true,
        ssmPrefix: "/kvci/{template}",
        smokeSshPort,
        smokeSshFrom: ["127.0.0.1/32"],
      },
      {
        kind: "gcp",
        project: this.gcp.state.project,
        bucket: BUCKET,
        family: "{template}",
        export: { object: "{template}-{version}-{arch}.tar.gz" },
      },
    ];
    return `import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment(${JSON.stringify({ publishTo })});\n`;
  }

  get env(): Record<string, string> {
    return { ...this.registry.env, ...this.aws.env, ...this.gcp.env };
  }

  mutatingCalls(): number {
    return this.aws.mutatingCalls().length + this.gcp.mutatingCalls().length;
  }

  /** What is there, by kind. */
  counts(): Readonly<Record<string, number>> {
    const regions = REGIONS.map((name) => this.aws.region(name));
    const sum = (of: (region: (typeof regions)[number]) => number): number =>
      regions.reduce((all, region) => all + of(region), 0);
    return {
      amis: sum(({ images }) => images.size),
      snapshots: sum(({ snapshots }) => snapshots.size),
      parameters: sum(({ parameters }) => parameters.size),
      keyPairs: sum(({ keyPairs }) => keyPairs.size),
      groups: sum(({ securityGroups }) => securityGroups.size),
      running: sum(
        ({ instances }) => [...instances.values()].filter(({ terminatedMs }) => terminatedMs === undefined).length,
      ),
      images: this.gcp.state.images.size,
      instances: this.gcp.state.instances.size,
      firewalls: this.gcp.state.firewalls.size,
      objects: this.gcp.bucket(BUCKET).objects.size,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.aws.close();
    await this.gcp.close();
    await this.registry[Symbol.asyncDispose]();
    await this.machines[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function ec2Machine(
  aws: AwsCounterpart,
  machines: CloudMachines,
  { snapshotId, region, instance, userData, keyPair }: RunRequest,
): Promise<RunningMachine> {
  const machine = await machines.boot({
    image: `${region}-${snapshotId}`,
    disk: () => aws.snapshotBytes(region, snapshotId),
    virtualBytes: (aws.region(region).snapshots.get(snapshotId)?.volumeGiB ?? 0) * GIB,
    instanceId: instance.id,
    userData,
    publicKeys: keyPair === undefined ? [] : [keyPair.publicKey],
  });
  const stop = async (): Promise<void> => machine[Symbol.asyncDispose]();
  return { publicIp: machine.address, consoleOutput: () => machine.console(), stop };
}

async function digestOf(disk: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of disk) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

/** Publishes a finished, verified quickstart to everything there is. */
export function publishingQuickstart(build: () => { readonly workspace: Workspace; readonly out: string }): void {
  let clouds: Clouds;
  before(async () => {
    clouds = await Clouds.start();
    await build().workspace.write("publish.ts", clouds.environment);
  });
  after(() => clouds[Symbol.asyncDispose]());

  const publish = (...args: readonly string[]): Promise<Ended> =>
    build().workspace.run(["publish", ...args, "--env", ENVIRONMENT], clouds.env);
  const release = (...args: readonly string[]): Promise<Ended> => publish(build().out, "--release", VERSION, ...args);
  const published = async (): Promise<readonly PublishedImage[]> => {
    const text = await readFile(build().workspace.path("out/published-images.json"), "utf8");
    return (JSON.parse(text) as { images: readonly PublishedImage[] }).images;
  };
  let empty: ReturnType<Clouds["counts"]>;

  it("is planned, and nothing is changed by that", async function () {
    this.timeout(5 * MINUTE_MS);
    empty = clouds.counts();
    const ended = await release("--plan");
    assert.equal(ended.status, 2, ended.stderr.slice(-4000));
    assert.match(ended.stdout, /boot .* and run its checks/);
    assert.deepEqual([clouds.mutatingCalls(), clouds.counts()], [0, empty]);
  });

  it("goes to a registry, 20 regions and a project, and is booted from its blocks before anybody sees it", async function () {
    this.timeout(25 * MINUTE_MS);
    const ended = await release("--yes");
    assert.equal(ended.status, 0, ended.stderr.slice(-6000));
    const { aws, gcp } = clouds;
    for (const name of REGIONS) {
      const [image, ...others] = [...aws.region(name).images.values()];
      assert.deepEqual([image?.sharing.public, others.length], [true, 0], name);
    }
    const lastTermination = aws.events.findLast(({ kind }) => kind === "instance-terminated");
    assert.ok(lastTermination);
    assert.deepEqual(
      aws.publicBefore((event) => event === lastTermination),
      [],
    );
    const [image] = [...gcp.state.images.values()];
    assert.deepEqual([image?.policy.bindings, image?.family], [[], "quickstart"]);
    const text = await readFile(join(build().out, "verification-boot-aws.json"), "utf8");
    assert.equal((JSON.parse(text) as { ok: boolean }).ok, true);
    const { running, keyPairs, groups, instances, firewalls } = clouds.counts();
    assert.deepEqual({ running, keyPairs, groups, instances, firewalls }, { ...left(empty) });
    assert.deepEqual([aws.violations, gcp.violations], [[], []]);
  });

  it("is the same disk, byte for byte, in the blocks that were booted and in the tarball", async function () {
    this.timeout(10 * MINUTE_MS);
    const { aws, gcp } = clouds;
    const images = await published();
    assert.deepEqual(
      images
        .filter(({ kind }) => kind === "aws")
        .map(({ place }) => place)
        .sort(),
      [...REGIONS].sort(),
    );
    const contents = new Set(images.map(({ content }) => content));
    assert.equal(contents.size, 1);
    const [snapshot] = [...aws.region(HOME).snapshots.keys()];
    const [image] = [...gcp.state.images.keys()];
    assert.equal(await digestOf(aws.snapshotBytes(HOME, snapshot ?? "")), [...contents][0]);
    assert.equal(await digestOf(gcp.rawDisk(image ?? "")), [...contents][0]);
    const name = `${VERSION}-amd64`;
    assert.deepEqual([...gcp.bucket(BUCKET).objects.keys()], [`quickstart-${name}.tar.gz`]);
  });

  it("comes back from the registry as the image that was built", async function () {
    this.timeout(5 * MINUTE_MS);
    const { registry } = clouds;
    const record = await readBuildRecord(build().out);
    const back = build().workspace.path("back");
    const source = `docker://${registry.host}/kvci/quickstart:${VERSION}`;
    const options = ["--quiet", "--preserve-digests", "--src-cert-dir", join(registry.folder, "certs")];
    await command(["mkdir", "-p", join(registry.folder, "certs")]);
    await command(["cp", registry.certificate, join(registry.folder, "certs/ca.crt")]);
    await command(
      ["skopeo", "--insecure-policy", "--override-arch", "amd64", "copy", ...options, source, `oci:${back}:back`],
      { env: registry.env },
    );
    const index = JSON.parse(await readFile(join(back, "index.json"), "utf8")) as { manifests: { digest: string }[] };
    assert.deepEqual(
      index.manifests.map(({ digest }) => digest),
      [record.layered?.digest],
    );
  });

  it("is there already when it is published again", async function () {
    this.timeout(5 * MINUTE_MS);
    const before = clouds.mutatingCalls();
    const planned = await release("--plan");
    assert.equal(planned.status, 0, planned.stdout.slice(-4000));
    const ended = await release("--yes");
    assert.equal(ended.status, 0, ended.stderr.slice(-4000));
    assert.equal(clouds.mutatingCalls(), before);
  });

  it("is gone after a rollback", async function () {
    this.timeout(5 * MINUTE_MS);
    const status = JSON.parse((await build().workspace.run(["publish", "status", "--json"])).stdout) as {
      runs: readonly { run: string; outcome: string }[];
    };
    assert.deepEqual(
      status.runs.map(({ outcome }) => outcome),
      ["published"],
    );
    const ended = await publish("rollback", status.runs[0]?.run ?? "", "--yes");
    assert.equal(ended.status, 0, ended.stderr.slice(-4000));
    assert.deepEqual(clouds.counts(), empty);
  });
}

function left({ running = 0, keyPairs = 0, groups = 0, instances = 0, firewalls = 0 }: ReturnType<Clouds["counts"]>) {
  return { running, keyPairs, groups, instances, firewalls };
}
