import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import type { PlannedOp } from "../../../src/core/op.ts";
import { reboot, run, waitFor, writeFile } from "../../../src/core/op-makers.ts";
import { apply, type ApplyContext } from "../../../src/machine/apply.ts";
import { FakeMachine } from "../../fakes/fake-machine.ts";
import type { BuildEvent } from "../../../src/core/event.ts";

const context: ApplyContext = {
  journal: silentJournal,
  signal: new AbortController().signal,
  sources: new Map(),
  nonce: () => "nonce",
};

describe("apply", () => {
  it("sends ops that follow each other as one script", async () => {
    const machine = new FakeMachine();
    await apply(
      machine,
      [run("true"), writeFile("/etc/motd", "hello\n"), run("systemctl", "enable", "kubelet")],
      context,
    );
    assert.equal(machine.ran.length, 1);
    assert.match(machine.ran[0]?.stdin ?? "", /timeout -k 5 900 systemctl enable kubelet/);
  });

  it("restarts the guest between scripts", async () => {
    const machine = new FakeMachine();
    await apply(machine, [run("a"), reboot(), waitFor("it is up", ["b"])], context);
    assert.equal(machine.ran.length, 2);
    assert.equal(machine.reboots, 1);
  });

  it("stops at the first failing command, names it, and shows its last output", async () => {
    const machine = new FakeMachine().failing("dnf", 1).printing("No match for argument: kubelet\n");
    await assert.rejects(apply(machine, [run("true"), run("dnf", "install", "kubelet"), reboot()], context), {
      code: "command-failed",
      message: "dnf install kubelet exited 1 (op 2 of 3)",
      evidence: ["No match for argument: kubelet", "No match for argument: kubelet"],
    });
    assert.equal(machine.reboots, 0);
  });

  it("tells a deadline from a failure", async () => {
    await assert.rejects(apply(new FakeMachine().failing("sleep", 124), [run("sleep", "9999")], context), {
      code: "command-timeout",
      message: "sleep 9999 did not end within 900 s (op 1 of 1)",
    });
    const wait = waitFor("containerd answers", ["ctr", "version"], { timeoutMs: 5_000 });
    await assert.rejects(apply(new FakeMachine().failing("ctr", 124), [wait], context), {
      code: "command-timeout",
      message: "containerd answers: not within 5 s (op 1 of 1)",
      hint: "Asked with: ctr version",
    });
  });

  it("explains the shell's own statuses", async () => {
    await assert.rejects(apply(new FakeMachine().failing("nft", 127), [run("nft")], context), {
      hint: "There is no such command in the guest: install its package in an earlier step.",
    });
  });

  it("reports begin, output and end of every op", async () => {
    const events: BuildEvent[] = [];
    const journal = { ...silentJournal, emit: (event: BuildEvent) => void events.push(event) };
    await apply(new FakeMachine().printing("done\n"), [run("a"), run("b")], { ...context, journal });
    assert.deepEqual(
      events.map((event) => (event.type === "op-started" ? event.summary : event.type)),
      ["a", "output", "op-ended", "b", "output", "op-ended"],
    );
  });

  it("streams copies into a temporary name and then into place", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kvci-copy-"));
    const absolutePath = join(folder, "audit.yaml");
    writeFileSync(absolutePath, "kind: Policy\n");
    const digest = sha256("kind: Policy\n");
    const op: PlannedOp = {
      kind: "copy-in",
      path: "/etc/kubernetes/audit.yaml",
      mode: 0o600,
      owner: "root:root",
      digest,
    };
    const machine = new FakeMachine();
    await apply(machine, [op], { ...context, sources: new Map([[digest, { absolutePath, digest, bytes: 13 }]]) });
    rmSync(folder, { recursive: true });
    const [call] = machine.ran;
    assert.equal(call?.stdin, "kind: Policy\n");
    assert.deepEqual(call.argv.slice(3), ["copy-in", "/etc/kubernetes/audit.yaml", "root:root", "0600"]);
  });
});
