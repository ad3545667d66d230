import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { templateText, Workspace } from "./kvci.ts";

const CHILD = `import { defineStep, defineTemplate, fromTemplate, run } from "kvci-build";
export default defineTemplate({
  name: "child",
  base: fromTemplate("parent"),
  disk: { sizeGiB: 4 },
  machine: { memoryMiB: 1024 },
  steps: [defineStep("look", [run("grep", "-q", "here", "/etc/mark"), run("sh", "-ec", "test ! -e /root/.ssh/id_*")])],
});
`;

describe("a template based on another", () => {
  let workspace: Workspace;
  before(async () => {
    const mark = 'defineStep("mark", [writeFile("/etc/mark", "here\\n")])';
    const files = { "parent.ts": templateText("parent", mark), "child.ts": CHILD };
    workspace = await Workspace.create(files, {}, { firstBoot: true });
  });
  after(() => workspace.remove());

  it("is built on the sealed result of the other, which is built first and then kept", async () => {
    const { status, stderr } = await workspace.run(["template", "child.ts", "--no-verify"]);
    assert.equal(status, 0, stderr.slice(-3000));
    const record = (name: string) => readFile(workspace.path(`out/${name}/amd64/build.json`), "utf8");
    const parent = JSON.parse(await record("parent")) as { planId: string; startedAt: string };
    const child = JSON.parse(await record("child")) as { base: { kind: string; digest: string } };
    assert.deepEqual([child.base.kind, child.base.digest], ["template", parent.planId]);

    await workspace.write("child.ts", CHILD.replace("id_*", "other_*"));
    const again = workspace.start(["template", "child.ts", "--no-verify", "--json"]);
    await again.started("look");
    again.kill("SIGINT");
    await again.end;
    assert.equal((JSON.parse(await record("parent")) as typeof parent).startedAt, parent.startedAt);
  });
});
