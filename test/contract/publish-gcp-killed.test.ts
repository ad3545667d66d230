import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { bounded } from "../../src/core/bounded.ts";
import { sha256 } from "../../src/core/digest.ts";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { contentDigest } from "../../src/publish/content-digest.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import { startGcp, type GcpCounterpart } from "../counterparts/gcp/start-gcp.ts";
import { releaseBuild } from "../src/publish/release-build.ts";
import type { DriverInput, DriverOutcome } from "./publish-driver.ts";
import { releaseBuilds, releasePublisher, type GcpSetup } from "./publish-gcp-setup.ts";

const DRIVER = fileURLToPath(new URL("publish-driver.ts", import.meta.url));
const SETUP = fileURLToPath(new URL("publish-gcp-setup.ts", import.meta.url));
const MIB = 2 ** 20;
const { signal } = new AbortController();

describe("publishing to Google Cloud, killed", function () {
  this.timeout(900_000);
  let folder: string;
  let gcp: GcpCounterpart;
  let builds: string;
  let credentials: string | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-gcp-killed-"));
    gcp = await startGcp();
    credentials = process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    process.env["GOOGLE_APPLICATION_CREDENTIALS"] = gcp.env["GOOGLE_APPLICATION_CREDENTIALS"];
    const [raw, diskPath] = [join(folder, "disk.raw"), join(folder, "disk.qcow2")];
    // Two chunks of an upload, of which the second is half full.
    await writeFile(raw, Buffer.concat([Buffer.alloc(MIB), randomBytes(12 * MIB), Buffer.alloc(3 * MIB)]));
    const convert = ["qemu-img", "convert", "-q", "-O", "qcow2", raw, diskPath] as const;
    await runProgram([...convert], { signal, timeoutMs: 60_000 });
    const read = () => rawDisk(diskPath, { signal });
    const content = await contentDigest({ storeRoot: folder, file: sha256("disk") }, read);
    builds = join(folder, "builds.json");
    await writeFile(builds, JSON.stringify([releaseBuild({ diskPath, virtualBytes: 16 * MIB, content })]));
  });
  after(async () => {
    if (credentials === undefined) delete process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    else process.env["GOOGLE_APPLICATION_CREDENTIALS"] = credentials;
    await gcp.close();
    await rm(folder, { recursive: true });
    assert.deepEqual(gcp.violations, []);
  });

  const setupOf = (template: string): GcpSetup => ({
    env: gcp.env,
    builds,
    template,
    storeRoot: join(folder, template),
  });

  /** A release whose family stands for an earlier one of ours. */
  const prepare = (template: string): void => {
    const labels = { "kvci-managed": "true", "kvci-template": template, "kvci-arch": "amd64" };
    gcp.addImage(`${template}-0-amd64`, { family: `${template}-amd64`, labels, createdMs: Date.now() - 86_400_000 });
  };

  /** Runs the driver on a release of its own. @returns undefined when it was killed. */
  const drive = async (template: string, killAfter?: number): Promise<DriverOutcome | undefined> => {
    const input: DriverInput = {
      setup: SETUP,
      input: setupOf(template) satisfies JsonValue,
      storeRoot: join(folder, template),
      ...(killAfter === undefined ? {} : { killAfter }),
    };
    // Every run loads the same sources.
    const env = { ...gcp.env, NODE_COMPILE_CACHE: join(folder, "compiled") };
    const ended = await execa(process.execPath, [DRIVER, JSON.stringify(input)], { reject: false, env });
    if (ended.signal === "SIGKILL") return undefined;
    assert.equal(ended.exitCode, 0, ended.stderr);
    return JSON.parse(ended.stdout) as DriverOutcome;
  };

  /** What there is of a release, without what is each release's own. */
  const stateOf = (template: string): unknown => {
    const own = new RegExp(`\\b${template}\\b`, "g");
    const images = [...gcp.state.images.values()]
      .filter(({ name }) => name.startsWith(`${template}-`))
      .map(({ name, status, family, labels, policy, deprecated, description, diskGiB }) => {
        const replacement = deprecated?.["replacement"] ?? null;
        const state = { name, status, family, labels, bindings: policy.bindings, description, diskGiB };
        return { ...state, state: deprecated?.["state"] ?? "ACTIVE", replacement };
      });
    const objects = [...gcp.bucket("kvci-bucket").objects.values()]
      .filter(({ name }) => name.includes(`/${template}-`))
      .map(({ name, crc32c, readers, metadata }) => ({ name, crc32c, readers, metadata }));
    return JSON.parse(JSON.stringify({ images, objects }).replace(own, "TEMPLATE")) as unknown;
  };

  const eventsOf = (template: string): readonly string[] =>
    gcp.events.filter(({ id }) => new RegExp(`\\b${template}-`).test(id)).map(({ kind }) => kind);

  /** Whatever is public was booted before, and the family waits for that, too. */
  const assertNothingEarly = (template: string): void => {
    const image = gcp.state.images.get(`${template}-1-0-amd64`);
    const exposed = eventsOf(template).filter((kind) => kind !== "image-made");
    if (exposed.length > 0) assert.equal(image?.labels["kvci-smoke"], "passed", `${template}: ${exposed.join(", ")}`);
    if (exposed.includes("family-set")) {
      assert.ok(exposed.includes("image-public") && exposed.includes("object-public"));
    }
  };

  it("comes to the same end after a kill -9 behind every line of its ledger", async () => {
    prepare("whole");
    const whole = await drive("whole");
    assert.equal(whole?.error, null);
    const wanted = stateOf("whole");
    assert.deepEqual(eventsOf("whole"), [
      "image-made",
      "image-public",
      "object-public",
      "family-set",
      "image-deprecated",
    ]);
    const kills = Array.from({ length: whole.appends }, (_, index) => index + 1);
    const same = await bounded(kills, 2, async (killAfter) => {
      const name = `after${killAfter}x`;
      prepare(name);
      assert.equal(await drive(name, killAfter), undefined, `not killed after ${killAfter}`);
      assertNothingEarly(name);
      assert.equal((await drive(name))?.error, null);
      assertNothingEarly(name);
      assert.deepEqual(stateOf(name), wanted, `killed after ${killAfter}`);
      assert.equal(eventsOf(name).filter((kind) => kind === "image-made").length, 1);
      const publisher = await releasePublisher(setupOf(name));
      const own = await releaseBuilds(setupOf(name));
      return publisher.diff(own, await publisher.observe(own, signal)).length === 0;
    });
    const good = same.filter(Boolean).length;
    process.stdout.write(
      `      killed after each of ${whole.appends} ledger writes: ${good} of ${kills.length} the same in the end\n`,
    );
    assert.equal(good, kills.length);
  });

  it("comes to one end when two publish the same at once", async () => {
    prepare("both");
    const outcomes = await Promise.all([drive("both"), drive("both")]);
    assert.ok(
      outcomes.some((outcome) => outcome?.error === null),
      JSON.stringify(outcomes),
    );
    assert.equal((await drive("both"))?.error, null);
    assert.deepEqual(stateOf("both"), stateOf("whole"));
    assert.equal(eventsOf("both").filter((kind) => kind === "image-made").length, 1);
  });
});
