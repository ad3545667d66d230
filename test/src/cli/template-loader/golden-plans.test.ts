import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { loadTemplate } from "../../../../src/cli/template-loader/load.ts";
import { TEMPLATES_DIR } from "../../../../src/cli/template-loader/own-files.ts";
import { planJson } from "../../../../src/cli/template-loader/render-plan.ts";
import { planOf } from "./plan-of.ts";

const GOLDENS = join(import.meta.dirname, "../../../golden/plans");
const UPDATE = process.env["KVCI_UPDATE_GOLDENS"] === "1";

/** A review of a template's change shows the very commands that change. KVCI_UPDATE_GOLDENS=1 writes them anew. */
describe("plans of the templates", () => {
  // Those of Kubernetes nodes need a lock: test/templates/kubernetes/golden-plans.test.ts.
  for (const file of globSync("*.ts", { cwd: TEMPLATES_DIR, exclude: ["k8s-*"] })) {
    const name = basename(file, ".ts");
    it(`are as reviewed for ${name}`, async () => {
      const { template } = await loadTemplate(join(TEMPLATES_DIR, file), { cwd: TEMPLATES_DIR });
      for (const arch of template.arches) {
        const golden = join(GOLDENS, `${name}-${arch}.json`);
        const text = planJson(await planOf(name, arch));
        if (UPDATE) writeFileSync(golden, text);
        assert.ok(existsSync(golden), `${golden} is missing: run the test with KVCI_UPDATE_GOLDENS=1`);
        assert.equal(text, readFileSync(golden, "utf8"));
      }
    });
  }

  it("are the same bytes in another process, folder, time zone and locale", async () => {
    const program = `
      import { planJson } from ${JSON.stringify(join(import.meta.dirname, "../../../../src/cli/template-loader/render-plan.ts"))};
      import { planOf } from ${JSON.stringify(join(import.meta.dirname, "plan-of.ts"))};
      process.stdout.write(planJson(await planOf("quickstart", "amd64")));`;
    const env = { PATH: process.env["PATH"] ?? "", TZ: "Pacific/Apia", LC_ALL: "tr_TR.UTF-8", HOME: "/nonexistent" };
    const text = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: "/",
      env,
      encoding: "utf8",
    });
    assert.equal(text, planJson(await planOf("quickstart", "amd64")));
  });
});
