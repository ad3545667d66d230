import assert from "node:assert/strict";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { hostHypervisor } from "../../src/cli/hypervisor.ts";
import { withDisposal } from "../../src/core/disposal.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { runProgram } from "../../src/host/program.ts";
import type { LayoutReport } from "../../src/oci/inspect.ts";
import { readBuildRecord, type BuildRecord } from "../../src/pipeline/build-record.ts";
import type { ReassembledChain } from "../../src/pipeline/reassemble-chain.ts";
import { qemuPlace } from "../../verify/qemu-place.ts";
import { keptSteps, Workspace } from "./kvci.ts";
import { assertQuiet } from "./sound-store.ts";

const { signal } = new AbortController();
const context = { signal, journal: silentJournal };
const MIB = 1024 ** 2;
const FILES = ["base.qcow2", "10-node.qcow2", "20-own.qcow2", "disk.qcow2"];

/** Two phases, of which templates share the first. */
function layered(name: string): string {
  return `import { defineStep, defineTemplate, installPackages, packages, phase, run } from "kvci-build";
export default defineTemplate({
  name: "${name}",
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [
    ...phase("node", [installPackages(["jq"])]),
    ...phase("own", [defineStep("mark", [run("sh", "-ec", "logger kvci-log-of-${name}; echo ${name} > /etc/mark")])]),
  ],
  outputs: ["container-disk", "layered-disk"],
});
`;
}

describe("a layered node image", () => {
  let workspace: Workspace;
  const records: Record<string, BuildRecord> = {};
  const kept: string[] = [];
  before(async () => {
    const names = ["alpha", "beta"];
    const files = Object.fromEntries(names.map((name) => [`${name}.ts`, layered(name)]));
    workspace = await Workspace.create(files, {}, { firstBoot: true });
    for (const name of names) {
      const ended = await workspace.run(["template", `${name}.ts`, "--no-verify", "--json"]);
      assert.equal(ended.status, 0, ended.stderr.slice(-3000));
      records[name] = await readBuildRecord(workspace.path("out", name, "amd64"));
      kept.push(...keptSteps(ended));
    }
  });
  after(() => workspace.remove());
  afterEach(() => assertQuiet(workspace));

  const filesOf = (name: string): NonNullable<BuildRecord["layered"]>["files"] => records[name]?.layered?.files ?? [];
  const inspect = async (name: string, ...flags: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await workspace.run(["inspect", workspace.path("out", name, "amd64"), ...flags]);
    assert.equal(status, 0, stderr);
    return stdout;
  };

  it("has the disk of its base, each phase's and the seal's as layers of their own, beside the flat disk", async () => {
    const { layout } = JSON.parse(await inspect("alpha", "--verify", "--json")) as { layout: LayoutReport };
    assert.deepEqual(
      layout.images.map(({ ref, layers }) => [ref, layers.length]),
      [
        ["alpha", 1],
        ["alpha-layered", 4],
      ],
    );
    assert.deepEqual(
      filesOf("alpha").map(({ file, phase, steps }) => [file, phase, steps.map(({ name }) => name)]),
      [
        ["base.qcow2", "base", []],
        ["10-node.qcow2", "node", ["install-jq"]],
        ["20-own.qcow2", "own", ["mark"]],
        ["disk.qcow2", "seal", []],
      ],
    );
    const text = await inspect("alpha");
    for (const file of FILES) assert.match(text, new RegExp(`\\d (?:B|KiB|MiB|GiB) +${file} `), text);
  });

  it("shares base and first phase with another template's, byte for byte; its own phase is small", () => {
    assert.deepEqual(kept, ["install-jq", "mark", "mark"]);
    const digests = ["alpha", "beta"].map((name) => filesOf(name).map(({ digest }) => digest));
    assert.deepEqual(digests[0]?.slice(0, 2), digests[1]?.slice(0, 2));
    assert.notEqual(digests[0]?.[2], digests[1]?.[2]);
    process.stdout.write(
      `      KiB: ${filesOf("alpha")
        .map(({ file, bytes }) => `${file} ${String(Math.round(bytes / 1024))}`)
        .join(", ")}\n`,
    );
    const own = filesOf("alpha").find(({ phase }) => phase === "own");
    assert.ok(own && own.bytes < 2 * MIB, JSON.stringify(own));
  });

  it("unpacks to a chain that is the flat disk, and boots with what all phases made", async function () {
    this.timeout(10 * 60_000);
    const folder = workspace.path("chain");
    const stdout = await inspect("alpha", "--extract", folder, "--ref", "alpha-layered", "--json");
    const { extracted } = JSON.parse(stdout) as { extracted: ReassembledChain };
    assert.deepEqual(
      extracted.files.map(({ name }) => name),
      FILES,
    );
    const flat = workspace.path("out/alpha/amd64/disk.qcow2");
    await runProgram(["qemu-img", "compare", "-q", extracted.path, flat], { signal, timeoutMs: 120_000 });

    const record = records["alpha"];
    assert.ok(record);
    const { platform, machine, disk, traces } = record;
    const place = qemuPlace({
      hypervisor: hostHypervisor({ path: process.env["PATH"] ?? "", toolsFolder: workspace.path("tools") }),
      temporaryFolder: async (prefix) => {
        const path = workspace.path(prefix);
        await mkdir(path);
        return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
      },
      serialLog: (clone) => workspace.path(`${clone}.log`),
    });
    const { arch } = platform;
    const subject = { ...machine, path: extracted.path, digest: disk.digest, arch, virtualBytes: disk.virtualBytes };
    await withDisposal(await place.clone(subject, "layered", context), async ({ machine: guest }) => {
      const script = "cat /etc/mark; echo '[1]' | jq -c .; cat /root/.ssh/authorized_keys";
      const { exitCode, stdout: seen } = await guest.exec(["sh", "-ec", script]);
      assert.equal(exitCode, 0, seen);
      assert.match(seen, /^alpha\n\[1\]\n/);
      assert.ok(!seen.includes(traces.publicKey));
    });
  });

  it("is made of layers in which nothing of their build is left", async () => {
    const { traces } = records["beta"] ?? {};
    assert.ok(traces);
    const key = traces.publicKey.split(" ")[1];
    assert.ok(key);
    const traced: readonly (readonly [string, string])[] = [
      ["the build's key", key],
      ["a private key", "PRIVATE KEY-----\n"],
      ["a downloaded package", "!<arch>\ndebian-binary"],
      ["a package list", "\nFilename: pool/"],
      ["a journal", "LPKSHHRH"],
      ["a line of a log", "kvci-log-of-beta\n"],
    ];
    const layers = await workspace.layers();
    assert.deepEqual(layers.map(({ step }) => step).sort(), ["first boot", "install-jq", "mark", "mark"]);
    for (const { path, step } of layers) {
      const bytes = await readFile(path);
      for (const [what, trace] of traced) assert.equal(bytes.includes(trace), false, `${what} in the layer of ${step}`);
    }
    // What was searched for would have been found: clusters of layers are not compressed.
    const installed = layers.find(({ step }) => step === "install-jq");
    assert.ok(installed);
    assert.ok((await readFile(installed.path)).includes("Package: jq\n"), "dpkg's status is not in the layer");
    assert.ok((await readFile(join(workspace.path("out/beta/amd64"), "packages.json"), "utf8")).includes('"jq"'));
  });
});
