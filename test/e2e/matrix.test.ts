import assert from "node:assert/strict";
import { keptSteps, ranSteps, Workspace, type Ended } from "./kvci.ts";
import { assertQuiet } from "./sound-store.ts";

interface Line {
  readonly template: string;
  readonly arch: string;
  readonly result: string;
  readonly cachedSteps: number;
  readonly steps: number;
  readonly folder?: string;
  readonly because?: string;
  readonly error?: { readonly code: string; readonly logs: readonly { readonly path: string }[] };
}

function linesOf({ stdout }: Ended): Line[] {
  return (JSON.parse(stdout) as { builds: Line[] }).builds;
}

const STEP = (name: string, command: string): string => `defineStep("${name}", [run("sh", "-ec", "${command}")])`;
const OS = STEP("os", "echo os > /etc/mark-os; sleep 2");

describe("several templates in one run", () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await Workspace.create({}, {}, { firstBoot: true });
    await workspace.template("good", OS, STEP("good", "test -e /etc/mark-os"));
    await workspace.template("bad", OS, STEP("bad", "exit 3"));
    await workspace.template("fine", OS, STEP("fine", "test -e /etc/mark-os"));
    const upper = `import { defineStep, defineTemplate, fromTemplate, run } from "kvci-build";
export default defineTemplate({
  name: "upper",
  base: fromTemplate("bad"),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [defineStep("upper", [run("true")])],
});
`;
    await workspace.write("upper.ts", upper);
  });
  after(() => workspace.remove());
  afterEach(() => assertQuiet(workspace));

  it("share what is alike without waiting for it in a place, and go on when one fails", async function () {
    this.timeout(15 * 60_000);
    const ended = await workspace.run([
      "template",
      "{good,fine}",
      "upper.ts",
      "good",
      "--no-verify",
      "--jobs",
      "2",
      "--json",
    ]);
    assert.equal(ended.status, 6, ended.stderr.slice(-3000));
    assert.deepEqual(
      linesOf(ended).map(({ template, result, because, error }) => [template, result, because ?? error?.code]),
      [
        ["fine", "built", undefined],
        ["good", "built", undefined],
        ["bad", "failed", "command-failed"],
        ["upper", "not built", "based on bad amd64"],
      ],
    );
    // Whoever came first made the shared layer; nobody had a machine, or a place in the run, while waiting for it.
    assert.deepEqual(
      keptSteps(ended).filter((name) => name === "os"),
      ["os"],
    );
    assert.deepEqual(
      ranSteps(ended).filter((name) => name === "os"),
      ["os"],
    );
    assert.deepEqual(
      ended.events.filter(({ type }) => type === "waiting"),
      [],
    );
    const [, , bad] = linesOf(ended);
    assert.ok(bad?.error?.logs.some(({ path }) => path === workspace.path("out/bad/amd64.logs/serial.log")));
  });

  it("are told of in a table; what is there is cached", async function () {
    this.timeout(10 * 60_000);
    const { status, stdout, stderr } = await workspace.run(["template", "good", "fine", "bad", "--no-verify"]);
    assert.equal(status, 6, stderr.slice(-3000));
    const [head = "", good = "", fine = "", bad = "", , why = "", ...rest] = stdout.split("\n");
    assert.match(head, /^ +TEMPLATE +ARCH +RESULT +TIME +CACHED +DISK +IMAGE +FOLDER$/);
    assert.match(good, /^✔ +good +amd64 +cached +[\d.]+ s +2\/2 +[\d.]+ MiB +[0-9a-f]{12} +out\/good\/amd64$/);
    assert.match(fine, /^✔ +fine +amd64 +cached /);
    assert.match(bad, /^✖ +bad +amd64 +failed +[\d.]+ s$/);
    assert.match(why, /^✖ bad \(amd64\): command-failed: step "bad": /);
    assert.ok(rest.join("\n").includes("out/bad/amd64.logs/journal.jsonl"), stdout);
    assert.match(stdout, /\n2 cached, 1 failed\n$/);
    assert.ok(stderr.includes("kvci-build shell bad"), "no way into the guest is shown");
  });
});
