import assert from "node:assert/strict";
import { addPublish } from "../../../../src/cli/verbs/publish.ts";
import { Command } from "../../../../src/cli/verbs/verb.ts";
import { ERRORS } from "../../../../src/core/error.ts";
import { capturedApp } from "../commands/captured-app.ts";

/** What a command line comes to: which command, with which arguments and options. */
async function parsed(...argv: readonly string[]): Promise<{ name: string; args: readonly string[]; options: object }> {
  const { program, publish } = commands();
  const found: { name: string; args: readonly string[]; options: object }[] = [];
  for (const command of [publish, ...publish.commands]) {
    command.action(() => void found.push({ name: command.name(), args: command.args, options: command.opts() }));
  }
  await program.parseAsync(["publish", ...argv], { from: "user" });
  const [first] = found;
  assert.ok(first && found.length === 1);
  return first;
}

function commands(): { readonly program: Command; readonly publish: Command } {
  const program = new Command("kvci-build").enablePositionalOptions().exitOverride();
  program.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  addPublish(program, capturedApp("/nowhere", 0), () => Promise.resolve());
  const [publish] = program.commands;
  assert.ok(publish);
  for (const each of publish.commands) each.exitOverride().configureOutput({ writeErr: () => undefined });
  return { program, publish };
}

describe("command line of publish", () => {
  it("takes folders for builds, and names of sub-commands for those", async () => {
    const { name, args } = await parsed("out/node/amd64", "--target", "quay", "status");
    assert.deepEqual([name, args], ["publish", ["out/node/amd64", "status"]]);
    assert.equal((await parsed("status")).name, "status");
    assert.deepEqual((await parsed("status", "20261129T202911-5848cf")).args, ["20261129T202911-5848cf"]);
    assert.deepEqual((await parsed("./status")).args, ["./status"]);
  });

  it("takes several targets", async () => {
    const { options } = await parsed("--target", "quay,aws", "--target", "gcp");
    assert.deepEqual((options as { target: unknown }).target, ["quay", "aws", "gcp"]);
  });

  it("leaves the boot test to what a target is for, unless it is told", async () => {
    const smoke = async (...argv: readonly string[]) =>
      ((await parsed(...argv)).options as { readonly smoke?: boolean }).smoke;
    assert.deepEqual([await smoke(), await smoke("--smoke"), await smoke("--no-smoke")], [undefined, true, false]);
  });

  it("gives options behind a sub-command to that, and takes none before it", async () => {
    const { name, options } = await parsed("gc", "--env", "release", "--target", "aws", "--yes");
    assert.deepEqual([name, options], ["gc", { env: "release", target: ["aws"], yes: true }]);
    await assert.rejects(parsed("--env", "release", "gc"), { message: 'error: write --env behind "gc"' });
  });

  it("tells the exit status of every class of failure", () => {
    const { publish } = commands();
    let help = "";
    publish.configureOutput({ writeOut: (text) => (help += text) });
    publish.outputHelp();
    for (const [code, { exit, title }] of Object.entries(ERRORS)) {
      if (code.startsWith("publish-")) assert.ok(help.includes(`${String(exit).padStart(3)}  ${title}`), code);
    }
  });
});
