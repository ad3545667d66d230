import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { supervised } from "../../../builders/packages/supervised.ts";

describe("supervised program", () => {
  it("gets namespaces that end with it, as root", () => {
    const argv = supervised(["mmdebstrap", "bookworm"], { asRoot: true, removeTree: "rm -rf" });
    assert.deepEqual(argv.slice(0, 3), ["setpriv", "--pdeathsig", "TERM"]);
    assert.deepEqual(argv.slice(-2), ["mmdebstrap", "bookworm"]);
    assert.match(argv.join(" "), /unshare --mount --pid --fork --kill-child/);
  });

  it("gets its arguments as they are, a temporary folder that is gone afterwards, and passes its exit status on", () => {
    const script = 'printf "%s\\n" "$1" "$TMPDIR"; touch "$TMPDIR/left"; exit 7';
    const [file, ...args] = supervised(["sh", "-c", script, "sh", "a b'c"], { asRoot: false, removeTree: "rm -rf --" });
    const { status, stdout } = spawnSync(file, args, { encoding: "utf8" });
    assert.equal(status, 7);
    const [argument, folder = ""] = stdout.split("\n");
    assert.equal(argument, "a b'c");
    assert.match(folder, /^\/var\/tmp\/kvci-build\./);
    assert.equal(spawnSync("test", ["-e", folder]).status, 1);
  });

  for (const asRoot of [true, false]) {
    it(`ends with all its children when it is told to, ${asRoot ? "as root" : "as a user"}`, async () => {
      const script = "trap '' TERM; sleep 654321 & echo ready; wait";
      const [file, ...args] = supervised(["sh", "-c", script], { asRoot, removeTree: "rm -rf --" });
      const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
      const closed = once(child, "close");
      const first = await Promise.race([once(child.stdout, "data"), once(child.stderr, "data")]);
      if (!String(first[0]).includes("Operation not permitted")) child.kill("SIGTERM");
      // "close" comes when nobody holds the pipes any more, so the sleep is gone, too.
      await closed;
    });
  }

  it("passes the status on as root, too, where namespaces are allowed", function () {
    const [file, ...args] = supervised(["sh", "-c", "exit 9"], { asRoot: true, removeTree: "" });
    const { status, stderr } = spawnSync(file, args, { encoding: "utf8" });
    if (stderr.includes("Operation not permitted")) assert.equal(status, 1);
    else assert.equal(status, 9);
  });
});
