import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { leftInStore, STORE, templateText, Workspace } from "./kvci.ts";

/** Room for the base and some: less than the step writes. */
const ROOM_MB = 120;

describe("a build whose store is full", () => {
  let workspace: Workspace;
  let store: string;
  before(async () => {
    const fill = 'defineStep("fill", [run("sh", "-ec", "head -c 300M /dev/urandom > /var/fill; sync; rm /var/fill")])';
    workspace = await Workspace.create({ "big.ts": templateText("big", fill), "base.ts": templateText("base", "") });
    if (!existsSync(join(STORE, "entries/bases"))) {
      assert.equal((await workspace.run(["template", "base.ts", "--no-verify"])).status, 0);
    }
    const megabytes = Number(execFileSync("du", ["-sm", join(STORE, "entries")], { encoding: "utf8" }).split("\t")[0]);
    store = workspace.path("store");
    mkdirSync(store);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${String(megabytes + ROOM_MB)}m`, "tmpfs", store]);
    cpSync(join(STORE, "entries"), join(store, "entries"), { recursive: true });
  });
  after(async () => {
    execFileSync("umount", ["--lazy", store]);
    await workspace.remove();
  });

  it("ends at once, says so, and leaves the store sound: with more room the same command succeeds", async () => {
    const env = { KVCI_BUILD_STORE: store };
    const { status, stderr } = await workspace.run(["template", "big.ts", "--no-verify"], env);
    assert.equal(status, 4, stderr);
    assert.match(stderr, /no space is left for the guest's disk/);
    assert.match(stderr, /What to do: Free some space/);
    assert.deepEqual([await workspace.processes(), await leftInStore(store)], [[], []]);
    execFileSync("mount", ["-o", "remount,size=3000m", store]);
    const again = await workspace.run(["template", "big.ts", "--no-verify"], env);
    assert.equal(again.status, 0, again.stderr);
  });
});
