import assert from "node:assert/strict";
import { failureCommands } from "../../../src/cli/on-error-commands.ts";
import { ARCHES } from "../../../src/core/platform.ts";
import { preferredArch } from "../../../src/cli/preferred-arch.ts";

const arch = preferredArch(ARCHES, process.arch);
const state = {
  argv: ["template", "my node.ts", "--json"],
  template: "node",
  arch,
  kept: true,
  log: "/out/console-bad.log",
};

describe("commands after a failure", () => {
  it("resume with the same arguments, go into the guest and show the log, ready to be pasted", () => {
    assert.deepEqual(failureCommands(state), [
      { what: "resume", command: "kvci-build template 'my node.ts' --json" },
      { what: "shell", command: "kvci-build shell node" },
      { what: "log", command: "less /out/console-bad.log" },
    ]);
  });

  it("name no guest that was not kept and no log that was not written", () => {
    const commands = failureCommands({ ...state, kept: false, log: undefined });
    assert.deepEqual(
      commands.map(({ what }) => what),
      ["resume"],
    );
  });

  it("name an architecture that is not the host's", () => {
    const other = ARCHES.find((each) => each !== arch) ?? "s390x";
    const shell = failureCommands({ ...state, arch: other }).find(({ what }) => what === "shell");
    assert.equal(shell?.command, `kvci-build shell node --arch ${other}`);
  });
});
