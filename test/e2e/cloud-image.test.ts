import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { sha256, type Digest } from "../../src/core/digest.ts";
import { ImageMirror } from "../fakes/image-mirror.ts";
import { Workspace, type Running } from "./kvci.ts";

const FOLDER = fileURLToPath(new URL("../../.kvci/e2e/", import.meta.url));
const IMAGE = join(FOLDER, "grub.qcow2");

/** Made once per checkout: it takes a minute or two. */
async function grubImage(): Promise<Buffer> {
  if (!existsSync(IMAGE)) {
    await mkdir(FOLDER, { recursive: true });
    const work = await mkdtemp(join(FOLDER, "grub-"));
    const script = fileURLToPath(new URL("grub-image.sh", import.meta.url));
    await promisify(execFile)("sh", [script, join(work, "new.qcow2")], { cwd: work, maxBuffer: 64 * 1024 * 1024 });
    await rename(join(work, "new.qcow2"), IMAGE);
    await rm(work, { recursive: true });
  }
  return readFile(IMAGE);
}

function template(name: string, urls: readonly string[], digest: Digest): string {
  const [url, ...mirrors] = urls;
  return `import { cloudImage, defineStep, defineTemplate, kernelArguments, reboot, run } from "kvci-build";
export default defineTemplate({
  name: ${JSON.stringify(name)},
  base: cloudImage(${JSON.stringify({ distribution: "debian", release: "12", url, mirrors, digest })}),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [
    kernelArguments({ add: ["kvci_test=1"] }),
    defineStep("restart", [reboot(), run("grep", "-q", "kvci_test=1", "/proc/cmdline")]),
  ],
});
`;
}

/** Waits until that share of the image has arrived. */
async function arrived(running: Running, share: number): Promise<void> {
  await running.event((event) => event.type === "transfer" && event.doneBytes > share * event.totalBytes);
}

describe("a cloud image with GRUB and partitions, laid out as Debian does", () => {
  let image: Buffer;
  let mirror: ImageMirror;
  let broken: ImageMirror;
  let workspace: Workspace;

  before(async () => {
    image = await grubImage();
    mirror = await ImageMirror.start({ "/debian.qcow2": image, "/small.qcow2": "not the image" });
    broken = await ImageMirror.start({}, { status: 503 });
    const digest = sha256(image);
    const wrong = sha256("another image");
    workspace = await Workspace.create({
      "cloud.ts": template("cloud", [broken.url("/debian.qcow2"), mirror.url("/debian.qcow2")], digest),
      "wrong.ts": template("wrong", [mirror.url("/small.qcow2")], wrong),
    });
  });
  after(async () => {
    await workspace.remove();
    await mirror[Symbol.asyncDispose]();
    await broken[Symbol.asyncDispose]();
  });
  const args = ["template", "cloud.ts", "--json"];

  it("is taken up where Ctrl-C and kill -9 stopped its download, from the mirror that works", async function () {
    // Four boots by firmware, a minute or two each where there is no KVM.
    this.timeout(20 * 60_000);
    mirror.faults.delayMs = 300;
    const first = workspace.start(args);
    await arrived(first, 0.1);
    first.kill("SIGINT");
    assert.equal((await first.end).status, 130);
    assert.deepEqual([await workspace.processes(), await workspace.leftovers()], [[], []]);

    const second = workspace.start(args);
    await arrived(second, 0.4);
    second.kill("SIGKILL");
    await second.end;

    mirror.requests.length = 0;
    delete mirror.faults.delayMs;
    const { status, events, stderr } = await workspace.run(args);
    assert.equal(status, 0, stderr.slice(-4000));
    const asked = mirror.requests.reduce((sum, { range }) => sum + (range ? range.end - range.start : 0), 0);
    assert.ok(asked < 0.7 * image.length, `${String(asked)} of ${String(image.length)} bytes were asked for again`);
    assert.ok(events.some((event) => event.type === "mirror-failed" && event.reason.includes("503")));
  });

  it("gives a disk that holds no trace of the build, and whose clones differ", async () => {
    const text = await readFile(workspace.path("out/cloud/amd64/verification-boot-qemu.json"), "utf8");
    const { ok, findings } = JSON.parse(text) as { ok: boolean; findings: { check: string; ok: boolean }[] };
    assert.deepEqual(
      findings.filter((finding) => !finding.ok),
      [],
    );
    assert.ok(ok && findings.length >= 10);
  });

  it("is refused with another digest, and leaves nothing in the store", async () => {
    const { status, stderr } = await workspace.run(["template", "wrong.ts"]);
    assert.equal(status, 5);
    assert.match(stderr, /digest/);
    assert.ok(!existsSync(join(workspace.store, "blobs/sha256", sha256("another image").slice("sha256:".length))));
    assert.deepEqual(await workspace.leftovers(), []);
  });

  it("is not locked when the signature of its checksum file is by another key", async () => {
    const name = "Fedora-Cloud-43-1.6-x86_64-CHECKSUM";
    const folder = "/pub/fedora/linux/releases/43/Cloud/x86_64/images/";
    const signed = await readFile(fileURLToPath(new URL("foreign-signature.txt", import.meta.url)));
    const fedora = await ImageMirror.start({ [folder]: `<a href="${name}">${name}</a>`, [`${folder}${name}`]: signed });
    await writeFile(
      workspace.path("fedora.ts"),
      'import { cloudImage, defineTemplate } from "kvci-build";\nexport default defineTemplate({ name: "fedora", base: cloudImage({ distribution: "fedora", release: "43" }) });\n',
    );
    await writeFile(
      workspace.path("mirrored.ts"),
      `import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment({ mirrors: { "https://download.fedoraproject.org/": [${JSON.stringify(fedora.url("/"))}] } });\n`,
    );
    const { status, stderr } = await workspace.run(["lock", "fedora.ts", "--env", "mirrored.ts"]);
    await fedora[Symbol.asyncDispose]();
    assert.equal(status, 5, stderr);
    assert.match(stderr, /signature-invalid|signed by|key/);
    assert.ok(!existsSync(workspace.path("kvci-build.lock.json")));
  });
});
