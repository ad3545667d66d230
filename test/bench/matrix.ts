/**
 * How long `kvci-build matrix` takes for 20 templates of the Kubernetes family on both of their architectures, as a whole
 * process: all minors, in as many profiles as it takes. Run: `node test/bench/matrix.ts`
 */
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lockText } from "../../src/base/lock-file.ts";
import { loadTemplate } from "../../src/cli/template-loader/load.ts";
import { sha256 } from "../../src/core/digest.ts";
import { EMPTY_LOCK, type Lock } from "../../src/core/lock.ts";
import type { Template } from "../../src/core/template.ts";
import { syntheticLock } from "../fakes/synthetic-lock.ts";
import { median } from "./median.ts";

const TEMPLATES = 20;
const ROUNDS = 7;
const LIMIT_MS = 2_000;
const PROFILES = ["full", "slim", "core", "storage", "network", "observability"];
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A folder with the family and 20 templates of it, all of them locked. */
async function makeTemplates(folder: string): Promise<void> {
  await cp(join(ROOT, "templates/kubernetes"), join(folder, "templates/kubernetes"), { recursive: true });
  const table = await readFile(join(folder, "templates/kubernetes/versions.json"), "utf8");
  const minors = Object.keys(JSON.parse(table) as object);
  const all = PROFILES.flatMap((profile) => minors.map((minor) => ({ minor, profile }))).slice(0, TEMPLATES);
  const templates: Template[] = [];
  for (const { minor, profile } of all) {
    const file = join(folder, "templates", `k8s-${minor}-${profile}.ts`);
    const text = `import { kubernetesNode } from "./kubernetes/node.ts";
export default kubernetesNode("${minor}", { profile: "${profile}" });\n`;
    await writeFile(file, text);
    templates.push((await loadTemplate(file, { cwd: folder })).template);
  }
  await writeFile(join(folder, "kvci-build.lock.json"), lockText(lockFor(templates)));
}

/** As large as a real one: packages make most of it, though nothing reads these. */
function lockFor(templates: readonly Template[]): Lock {
  const locks = templates.flatMap((template) => template.arches.map((arch) => syntheticLock(template, arch)));
  const digest = sha256("package");
  const entry = { version: "1.0-1", arch: "amd64", digest, bytes: 1, url: "https://pkgs.example/pool/package.deb" };
  const packages = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`package-${String(index)}`, entry]));
  const set = { wants: [], recommends: false, packages, resolvedAt: "2026-01-01T00:00:00Z" };
  const sets = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`unused-${String(index)}`, set]));
  return {
    ...EMPTY_LOCK,
    files: Object.assign({}, ...locks.map(({ files }) => files)) as Lock["files"],
    manifests: Object.assign({}, ...locks.map(({ manifests }) => manifests)) as Lock["manifests"],
    containerImages: Object.assign({}, ...locks.map((lock) => lock.containerImages)) as Lock["containerImages"],
    packages: { "debian-12-amd64": sets, "debian-12-arm64": sets },
  };
}

function measure(folder: string): string {
  const env = { ...process.env, KVCI_BUILD_STORE: join(folder, "store") };
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    const args = ["--disable-warning=ExperimentalWarning", join(ROOT, "src/cli/main.ts"), "matrix", "--json"];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: "utf8" });
    samples.push(performance.now() - started);
    const plans = [...stdout.matchAll(/"planId":/g)].length;
    if (status !== 0 || plans !== 2 * TEMPLATES) return `not as expected: ${stderr || stdout.slice(0, 400)}`;
  }
  const all = samples.map((ms) => ms.toFixed(0)).join(" ");
  return `${median(samples).toFixed(0)} ms (at most ${String(LIMIT_MS)}; all: ${all})`;
}

const folder = await mkdtemp(join(tmpdir(), "kvci-bench-matrix-"));
try {
  await mkdir(join(folder, "templates"));
  await makeTemplates(folder);
  process.stdout.write(`matrix of ${String(TEMPLATES)} templates on 2 architectures: ${measure(folder)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
