import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { templateText, Workspace } from "./kvci.ts";

/** Room for the base and some: less than the step writes. */
const ROOM_MB = 120;

describe("a build whose store is full", () => {
  let workspace: Workspace;
  let small: string;
  before(async () => {
    const fill = 'defineStep("fill", [run("sh", "-ec", "head -c 300M /dev/urandom > /var/fill; sync; rm /var/fill")])';
    workspace = await Workspace.create({ "big.ts": templateText("big", fill) });
    const megabytes = Number(execFileSync("du", ["-sm", workspace.store], { encoding: "utf8" }).split("\t")[0]);
    small = workspace.path("small-store");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${String(megabytes + ROOM_MB)}m`, "tmpfs", small]);
    cpSync(join(workspace.store, "entries"), join(small, "entries"), { recursive: true });
  });
  after(async () => {
    execFileSync("umount", ["--lazy", small]);
    await workspace.remove();
  });

  it("ends at once, says so, and leaves the store sound: with more room the same command succeeds", async () => {
    const env = { KVCI_BUILD_STORE: small };
    const { status, stderr } = await workspace.run(["template", "big.ts", "--no-verify"], env);
    assert.equal(status, 4, stderr);
    assert.match(stderr, /no space is left for the guest's disk/);
    assert.match(stderr, /What to do: Free some space/);
    assert.deepEqual(
      [await workspace.processes(), readdirSync(join(small, "runs")), readdirSync(join(small, "tmp"))],
      [[], [], []],
    );
    execFileSync("mount", ["-o", "remount,size=3000m", small]);
    const again = await workspace.run(["template", "big.ts", "--no-verify"], env);
    assert.equal(again.status, 0, again.stderr);
  });
});
