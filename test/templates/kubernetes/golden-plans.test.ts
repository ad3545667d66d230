import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { loadTemplate } from "../../../src/cli/template-loader/load.ts";
import { TEMPLATES_DIR } from "../../../src/cli/template-loader/own-files.ts";
import { planJson } from "../../../src/cli/template-loader/render-plan.ts";
import { diffLines, unifiedDiff } from "../../../src/core/line-diff.ts";
import type { Plan } from "../../../src/core/plan.ts";
import type { Arch } from "../../../src/core/platform.ts";
import RELEASES from "../../../templates/kubernetes/versions.json" with { type: "json" };
import { planOfNode } from "./plan-of-node.ts";

const GOLDENS = join(import.meta.dirname, "../../golden/plans");
const UPDATE = process.env["KVCI_UPDATE_GOLDENS"] === "1";
/** Its plan is a golden as it is; a quarter of a megabyte. */
const WHOLE = "k8s-1.31";
const FILES = globSync("k8s-*.ts", { cwd: TEMPLATES_DIR }).map((file) => basename(file, ".ts"));

/**
 * The first minor's plan is kept whole, of every other what is different in it: with the two, a plan is there to the last byte,
 * and a review sees at once what a minor changes. Plans for arm64 are compared with the first one's for arm64, and that with
 * the one for amd64. Digests are made up; see test/fakes/synthetic-lock.ts. KVCI_UPDATE_GOLDENS=1 writes them anew.
 */
describe("plans of Kubernetes nodes", () => {
  for (const name of FILES) {
    it(`are as reviewed for ${name}`, async () => {
      for (const arch of ["amd64", "arm64"] as const) {
        const plan = await planOf(name, arch);
        if (name === WHOLE && arch === "amd64") compare(`${name}-amd64.json`, planJson(plan));
        else compare(`${name}-${arch}.diff`, differences(await planOf(WHOLE, name === WHOLE ? "amd64" : arch), plan));
      }
    });
  }

  it("are those of the table, one template for each minor", () => {
    assert.deepEqual(
      FILES.sort(),
      Object.keys(RELEASES)
        .map((minor) => `k8s-${minor}`)
        .sort(),
    );
  });
});

async function planOf(name: string, arch: Arch): Promise<Plan> {
  const { template } = await loadTemplate(join(TEMPLATES_DIR, `${name}.ts`), { cwd: TEMPLATES_DIR });
  assert.equal(template.name, name);
  return planOfNode(template, arch);
}

function compare(file: string, text: string): void {
  const golden = join(GOLDENS, file);
  if (UPDATE) writeFileSync(golden, text);
  assert.equal(text, readFileSync(golden, "utf8"), `${golden} differs; if it should, run with KVCI_UPDATE_GOLDENS=1`);
}

/** As `diff -u`, for each step and for what is around them. */
function differences(from: Plan, to: Plan): string {
  const [before, after] = [partsOf(from), partsOf(to)];
  assert.equal(after.length, before.length);
  return after.flatMap((part, index) => partDifferences(before[index], part)).join("");
}

function partDifferences(before: unknown, after: unknown): string[] {
  const [old, now] = [before, after].map((part) => JSON.stringify(part, null, 2).split("\n"));
  assert.ok(old && now);
  const lines = unifiedDiff(diffLines(old, now));
  return lines.map((line) => `${line}\n`);
}

function partsOf(plan: Plan): readonly unknown[] {
  return [{ ...plan, disk: { ...plan.disk, steps: [] } }, ...plan.disk.steps];
}
