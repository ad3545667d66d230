import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { shellCommand } from "../../../src/machine/shell-quote.ts";
import { stepScript } from "../../../src/machine/step-script.ts";

const SEPARATOR = "<end of argument>";

/** Anything an argument can hold: no NUL, no half of a surrogate pair (which is no UTF-8). */
const argument = fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.replaceAll("\0", "").toWellFormed());

describe("shell quoting", () => {
  it("gives a real sh exactly the arguments it was given", () => {
    // One shell for all samples; a separator that no sample holds ends every argument.
    const samples = fc.sample(fc.array(argument, { minLength: 1, maxLength: 5 }), 200);
    const script = samples.map((argv) => shellCommand(["printf", `%s${SEPARATOR}`, ...argv])).join("\n");
    const output = execFileSync("sh", [], { input: script, encoding: "utf8", maxBuffer: 1e8 });
    assert.ok(
      output ===
        samples
          .flat()
          .map((text) => text + SEPARATOR)
          .join(""),
      "an argument arrived changed",
    );
  });

  it("never takes a command with = for an assignment", () => {
    const { status, stderr } = spawnSync("sh", ["-c", shellCommand(["a=b"])], { encoding: "utf8" });
    assert.equal(status, 127);
    assert.match(stderr, /a=b/);
  });
});

describe("a step's script", () => {
  const folder = mkdtempSync(join(tmpdir(), "kvci-script-"));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("writes any text to any path through a real sh", () => {
    let count = 0;
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 400 }),
        fc.stringMatching(/^[^/\0\n]{1,20}$/),
        (text, name) => {
          const content = text.toWellFormed();
          const path = join(folder, String(count++), `f${name.toWellFormed()}`);
          const owner = `${String(process.getuid?.())}:${String(process.getgid?.())}`;
          const script = stepScript([{ index: 0, op: { kind: "write-file", path, content, mode: 0o640, owner } }], "n");
          const { status, stderr } = spawnSync("sh", [], { input: script, encoding: "utf8" });
          assert.equal(status, 0, stderr);
          assert.equal(readFileSync(path, "utf8"), content);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("hands argv to the command unchanged and stops at the first failure", () => {
    const ops = [
      ["printf", "%s|", "a b", "$HOME", "'"],
      ["sh", "-c", "exit 7"],
      ["printf", "never"],
    ] as const;
    const script = stepScript(
      ops.map((argv, index) => ({ index, op: { kind: "run", argv } })),
      "nonce",
    );
    const { status, stdout } = spawnSync("sh", [], { input: script, encoding: "utf8" });
    assert.equal(status, 1);
    assert.equal(
      stdout,
      "\u001enonce begin 0 0\na b|$HOME|'|\u001enonce end 0 0\n\u001enonce begin 1 0\n\u001enonce end 1 7\n",
    );
  });

  it("gives a command no standard input to eat the rest of the script with", () => {
    const ops = [["cat"], ["printf", "after"]] as const;
    const script = stepScript(
      ops.map((argv, index) => ({ index, op: { kind: "run", argv } })),
      "n",
    );
    assert.match(spawnSync("sh", [], { input: script, encoding: "utf8" }).stdout, /after/);
  });

  it("ends a command at its deadline", () => {
    const script = stepScript([{ index: 0, op: { kind: "run", argv: ["sleep", "20"], timeoutMs: 100 } }], "n");
    assert.match(spawnSync("sh", [], { input: script, encoding: "utf8" }).stdout, /end 0 124\n/);
  });

  it("waits until a command succeeds, and no longer than told", () => {
    const flag = join(folder, "flag");
    const wait = { kind: "wait-for", reason: "the flag is there", timeoutMs: 5_000, intervalMs: 50 } as const;
    const appears = stepScript(
      [{ index: 0, op: { ...wait, argv: ["sh", "-c", `test -f ${flag} || { sleep 0.1; touch ${flag}; exit 1; }`] } }],
      "n",
    );
    assert.match(spawnSync("sh", [], { input: appears, encoding: "utf8" }).stdout, /end 0 0\n/);
    const never = stepScript([{ index: 0, op: { ...wait, timeoutMs: 1_000, argv: ["false"] } }], "n");
    assert.match(spawnSync("sh", [], { input: never, encoding: "utf8" }).stdout, /end 0 124\n/);
  });
});
