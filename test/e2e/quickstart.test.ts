import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { silentJournal } from "../../src/core/journal.ts";
import { checkImage, imageInfo } from "../../src/disk/qemu-img.ts";
import { containerDisk } from "../../src/oci/container-disk.ts";
import { writeImage } from "../../src/oci/image.ts";
import { inspectLayout } from "../../src/oci/inspect.ts";
import { readBuildRecord } from "../../src/pipeline/build-record.ts";
import { oras } from "../contract/oras.ts";
import { Workspace, type Ended } from "./kvci.ts";
import { publishingQuickstart } from "./quickstart-publishing.ts";

const SECRETS = {
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYPLANTED1KEY",
  QUAY_ROBOT_TOKEN: "planted-token-0123456789abcdef",
  GOOGLE_OAUTH_ACCESS_TOKEN: "ya29.planted-abcdefghijklmnop",
};
const context = { signal: new AbortController().signal, journal: silentJournal };

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("kvci-build template quickstart.ts", () => {
  let workspace: Workspace;
  let out: string;
  let ended: Ended;
  before(async function () {
    // Two clones boot side by side for its verification, beside what another worker boots.
    this.timeout(20 * 60_000);
    workspace = await Workspace.create({}, SECRETS);
    out = workspace.path("out/quickstart/amd64");
    ended = await workspace.run(["template", "quickstart.ts", "--verbose"]);
  });
  after(() => workspace.remove());

  it("ends with 0 and leaves a verified build", async () => {
    assert.equal(ended.status, 0, ended.stderr.slice(-4000));
    assert.match(ended.stdout, /quickstart \(amd64\) built in/);
    const wanted = [
      "build.json",
      "disk.qcow2",
      "image",
      "journal.jsonl",
      "packages.json",
      "sbom.spdx.json",
      "serial.log",
    ];
    assert.deepEqual(
      readdirSync(out)
        .filter((name) => wanted.includes(name))
        .sort(),
      wanted,
    );
    assert.deepEqual([await workspace.processes(), await workspace.leftovers()], [[], []]);
  });

  it("gives a qcow2 that stands alone and is clean", async () => {
    const disk = join(out, "disk.qcow2");
    await checkImage(disk, context);
    const { format, backingFile, virtualBytes } = await imageInfo(disk, context);
    assert.deepEqual([format, backingFile, virtualBytes], ["qcow2", undefined, 6 * 1024 ** 3]);
  });

  it("was booted by firmware, as two clones that differ, and holds no trace of the build", () => {
    const result = JSON.parse(readFileSync(join(out, "verification-boot-qemu.json"), "utf8")) as {
      digest: string;
      findings: { check: string; ok: boolean }[];
    };
    const passed = result.findings.filter(({ ok }) => ok).map(({ check }) => check);
    for (const check of [
      "boots-by-firmware",
      "no-failed-units",
      "build-identity-absent",
      "unique-machine-id",
      "unique-host-keys",
    ]) {
      assert.ok(passed.includes(check), check);
    }
  });

  it("wraps it into an image that skopeo and oras read", async () => {
    const record = await readBuildRecord(out);
    const layout = join(out, "image");
    const inspected = JSON.parse(
      execFileSync("skopeo", ["inspect", `oci:${layout}:quickstart`], { encoding: "utf8" }),
    ) as {
      Digest: string;
      Architecture: string;
      Labels: Record<string, string>;
    };
    assert.equal(inspected.Digest, record.image?.digest);
    assert.equal(inspected.Architecture, "amd64");
    assert.equal(inspected.Labels["io.kubevirt.kvci-build.plan-id"], record.planId);
    const program = await oras(context.signal);
    const manifest = execFileSync(program, ["manifest", "fetch", "--oci-layout", `${layout}@${inspected.Digest}`], {
      encoding: "utf8",
    });
    assert.equal((JSON.parse(manifest) as { layers: unknown[] }).layers.length, 1);
  });

  it("wraps the same disk into the same digest again", async () => {
    const [image] = (await inspectLayout(join(out, "image"), { verify: true })).images;
    assert.ok(image);
    assert.deepEqual(
      image.layers.flatMap(({ files }) => files.map(({ path, uid, gid }) => [path.replace(/\/$/, ""), uid, gid])),
      [
        ["disk", 107, 107],
        ["disk/disk.qcow2", 107, 107],
      ],
    );
    const { platform, ref, labels, annotations } = image;
    const description = containerDisk({
      disk: { path: join(out, "disk.qcow2"), format: "qcow2" },
      platform,
      ref,
      labels,
      annotations,
    });
    assert.equal((await writeImage(workspace.path("again"), description)).digest, image.digest);
  });

  it("lists packages by name and version, and as SPDX", () => {
    const { packages } = JSON.parse(readFileSync(join(out, "packages.json"), "utf8")) as {
      packages: { name: string; version: string }[];
    };
    assert.ok(packages.some(({ name }) => name === "containerd"));
    const sbom = readFileSync(join(out, "sbom.spdx.json"), "utf8");
    assert.match(sbom, /pkg:deb\/debian\/containerd@/);
  });

  it("writes no secret anywhere: neither those of the environment nor the build's own keys", () => {
    const records = filesBelow(workspace.folder).filter((file) => !/\.qcow2$|blobs|vmlinuz|initrd/.test(file));
    assert.ok(records.length > 8);
    for (const file of records) {
      const text = readFileSync(file, "latin1");
      for (const secret of Object.values(SECRETS)) assert.ok(!text.includes(secret), `a secret is in ${file}`);
      // A warm state knows the keys that the memory beside it knows.
      const mayHoldKeys = /entries\/warm\/[^/]+\/(?:state\.json|memory\.zst)$/.test(file);
      if (mayHoldKeys) assert.equal(statSync(file).mode & 0o077, 0, `${file} is not its owner's alone`);
      else assert.ok(!text.includes("PRIVATE KEY-----"), `a private key is in ${file}`);
    }
    for (const secret of [...Object.values(SECRETS), "PRIVATE KEY-----"]) {
      assert.ok(!ended.stderr.includes(secret) && !ended.stdout.includes(secret), "a secret was printed");
    }
  });

  describe("and its publication", () => publishingQuickstart(() => ({ workspace, out })));
});
