import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { templateText, Workspace } from "./kvci.ts";

const SECRET = "planted-robot-password-9f8e7d6c5b4a";

describe("a build that comes across a secret", () => {
  it("takes it out of the screen, the journal and the failure, also when it is encoded", async () => {
    // The worst case: somebody's step prints what it should not, and fails.
    const base64 = Buffer.from(`user:${SECRET}`).toString("base64");
    const leak = `defineStep("leak", [run("sh", "-ec", "echo password=${SECRET}; echo ${base64} >&2; exit 9")])`;
    const files = { "leak.ts": templateText("leak", leak) };
    const workspace = await Workspace.create(files, { REGISTRY_PASSWORD: SECRET }, { firstBoot: true });
    try {
      const { status, stderr } = await workspace.run(["template", "leak.ts", "--verbose"]);
      assert.equal(status, 6);
      assert.match(stderr, /password=\*\*\*/);
      const logs = workspace.path("out/leak/amd64.logs");
      const texts = [stderr, ...readdirSync(logs).map((name) => readFileSync(join(logs, name), "latin1"))];
      for (const text of texts) {
        assert.ok(!text.includes(SECRET), "the secret is in a log");
        // All of the secret but its edges, which base64 shares with what stands beside it.
        assert.ok(!text.includes(base64.slice(8, -4)), "the encoded secret is in a log");
      }
    } finally {
      await workspace.remove();
    }
  });
});
