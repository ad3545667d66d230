import assert from "node:assert/strict";
import { actionFor, isAttended, ON_ERROR } from "../../../src/cli/on-error-mode.ts";

const terminal = { stdinIsTerminal: true, stderrIsTerminal: true, json: false, ci: false };
const failed = { alive: true, code: "command-failed" } as const;

describe("--on-error", () => {
  it("opens a session only when it is asked for and somebody is there", () => {
    const table = ON_ERROR.flatMap((mode) =>
      [true, false].map((there) => [mode, there, actionFor(mode, there, failed)]),
    );
    assert.deepEqual(table, [
      ["keep", true, "keep"],
      ["keep", false, "keep"],
      ["shell", true, "session"],
      ["shell", false, "keep"],
      ["clean", true, "clean"],
      ["clean", false, "clean"],
    ]);
  });

  it("opens no session in a guest that cannot answer", () => {
    assert.equal(actionFor("shell", true, { ...failed, alive: false }), "keep");
    assert.equal(actionFor("shell", true, { alive: true, code: "guest-died" }), "keep");
    assert.equal(actionFor("shell", true, { alive: true, code: "machine-lost" }), "session");
  });

  it("takes somebody to be there on two terminals, but not for JSON or in continuous integration", () => {
    assert.equal(isAttended(terminal), true);
    for (const more of [{ stdinIsTerminal: false }, { stderrIsTerminal: false }, { json: true }, { ci: true }]) {
      assert.equal(isAttended({ ...terminal, ...more }), false, JSON.stringify(more));
    }
  });
});
