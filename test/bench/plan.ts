/**
 * How long `template NAME --plan` takes for a template of 200 steps that are all cached, as a whole process, and of 200 steps
 * of which the last changed. Run: `node test/bench/plan.ts`
 */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { localDisk } from "../../src/core/base.ts";
import { sha256, type Digest } from "../../src/core/digest.ts";
import { EMPTY_LOCK } from "../../src/core/lock.ts";
import { run, writeFile as writeOp } from "../../src/core/op-makers.ts";
import { makePlan, type Plan } from "../../src/core/plan.ts";
import { defineStep } from "../../src/core/step.ts";
import { defineTemplate } from "../../src/core/template.ts";
import { seal } from "../../src/steps/seal.ts";
import { rememberPlan } from "../../src/store/build-history.ts";
import { openStore } from "../../src/store/file-store.ts";
import { fileLayerStore } from "../../src/store/layer-store.ts";
import type { Layer } from "../../src/store/layer.ts";
import { median } from "./median.ts";

const STEPS = 200;
const ROUNDS = 7;
const LIMIT_MS = 1_000;
const DISK = "disk";
const LAUNCHER = fileURLToPath(new URL("../../kvci-build", import.meta.url));

/** The same as `plannedHere` has, as a file. */
function templateText(last: string): string {
  return `import { defineStep, defineTemplate, localDisk, run, writeFile } from "kvci-build";
const name = (index: number): string => (index === ${String(STEPS - 1)} ? ${JSON.stringify(last)} : String(index));
export default defineTemplate({
  name: "bench-plan",
  base: localDisk("disk.raw", { distribution: "debian", release: "12" }),
  steps: Array.from({ length: ${String(STEPS)} }, (_, index) =>
    defineStep(\`step-\${String(index)}\`, [run("echo", name(index)), writeFile(\`/etc/\${String(index)}\`, name(index))]),
  ),
});
`;
}

function plannedHere(): Plan {
  const base = localDisk("disk.raw", { distribution: "debian", release: "12" });
  const steps = Array.from({ length: STEPS }, (_, index) => {
    const name = String(index);
    return defineStep(`step-${name}`, [run("echo", name), writeOp(`/etc/${name}`, name)]);
  });
  const template = defineTemplate({ name: "bench-plan", base, steps });
  const file = { absolutePath: "", digest: sha256(DISK), bytes: DISK.length };
  const files = new Map([["disk.raw", file]]);
  return makePlan({ template, arch: "amd64", lock: EMPTY_LOCK, files, seal: seal() });
}

/** A store with a layer of every step. What is in the disks does not matter: planning reads records. */
async function fillStore(root: string, plan: Plan): Promise<void> {
  const store = await openStore(root, { runId: "bench", description: "bench" });
  const layers = fileLayerStore(store);
  const basePath = join(root, "blobs", "base");
  await writeFile(basePath, DISK);
  let parent: Layer | undefined;
  const keys: readonly Digest[] = [plan.disk.bootKey, ...plan.disk.steps.map(({ key }) => key)];
  for (const key of keys) {
    const { path: folder } = await store.temporaryFolder("layer");
    const draft = await layers.draft({ key, parent, basePath, folder });
    await writeFile(draft.path, "layer");
    const facts = { step: "bench", ops: [], template: plan.template, durationMs: 1, virtualBytes: 1 };
    parent = await layers.adopt(draft, facts, new AbortController().signal);
  }
  await rememberPlan(root, plan, { cachedSteps: STEPS });
}

function measure(folder: string, template: string, expected: RegExp): string {
  const env = { ...process.env, KVCI_BUILD_STORE: join(folder, "store") };
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    const args = ["template", template, "--plan", "--arch", "amd64"];
    const { stdout, stderr } = spawnSync(LAUNCHER, args, { cwd: folder, env, encoding: "utf8" });
    samples.push(performance.now() - started);
    if (!expected.test(stdout)) return `not as expected: ${stderr || stdout.slice(-200)}`;
  }
  const all = samples.map((ms) => ms.toFixed(0)).join(" ");
  return `${median(samples).toFixed(0)} ms (at most ${String(LIMIT_MS)}; all: ${all})`;
}

const folder = await mkdtemp(join(tmpdir(), "kvci-bench-plan-"));
try {
  await mkdir(join(folder, "store"));
  await writeFile(join(folder, "disk.raw"), DISK);
  await writeFile(join(folder, "cached.ts"), templateText(String(STEPS - 1)));
  await writeFile(join(folder, "changed.ts"), templateText("other"));
  await fillStore(join(folder, "store"), plannedHere());
  const cached = measure(folder, "cached.ts", /\n0 of 200 steps will run/);
  const changed = measure(folder, "changed.ts", /\n1 of 200 steps will run/);
  process.stdout.write(`template of 200 cached steps --plan: ${cached}\nthe same, the last step changed: ${changed}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
