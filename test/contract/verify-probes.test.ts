import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ExecOptions, ExecResult, Machine } from "../../src/machine/machine.ts";
import { buildIdentityAbsent } from "../../verify/checks/build-identity-absent.ts";
import { noBuildUser } from "../../verify/checks/no-build-user.ts";
import { noFailedUnits } from "../../verify/checks/no-failed-units.ts";
import { noOldLogs } from "../../verify/checks/no-old-logs.ts";
import { noWorldWritableEtc } from "../../verify/checks/no-world-writable-etc.ts";
import { packageCachesEmpty } from "../../verify/checks/package-caches-empty.ts";
import { rootFilesystemGrown } from "../../verify/checks/root-filesystem-grown.ts";
import { sshdConfigValid } from "../../verify/checks/sshd-config-valid.ts";
import { uniqueHostKeys } from "../../verify/checks/unique-host-keys.ts";
import type { Check } from "../../verify/check.ts";
import { SUITES } from "../../verify/suites.ts";
import { survey } from "../../verify/survey.ts";
import { FakeClone } from "../verify/fake-clone.ts";

/** A folder that probes take for the root of a machine, with stand-ins for the programs that ask systemd and NSS. */
class Root {
  readonly path = mkdtempSync(join(tmpdir(), "kvci-probe-"));

  constructor() {
    this.file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    this.boot(Date.now() / 1000 - 60);
    this.program("getent", `echo "root:x:0:0::${this.path}/root:/bin/sh"`);
    this.program("journalctl", "echo ' 0 0123456789abcdef0123456789abcdef today'");
    mkdirSync(join(this.path, "root/.ssh"), { recursive: true });
    mkdirSync(join(this.path, "var/log"), { recursive: true });
  }

  file(path: string, content: string, mode = 0o644): string {
    const real = join(this.path, path);
    mkdirSync(dirname(real), { recursive: true });
    writeFileSync(real, content);
    chmodSync(real, mode);
    return real;
  }

  program(name: string, body: string): void {
    this.file(`/bin/${name}`, `#!/bin/sh\n${body}\n`, 0o755);
  }

  /** Sets when the machine booted, in seconds since the epoch. */
  boot(seconds: number): void {
    this.file("/proc/stat", `cpu 1 2\nbtime ${String(Math.round(seconds))}\n`);
  }

  /** What the probe prints, with this folder for the root, and its absolute paths cut back to what a machine would show. */
  ask(check: Check): string {
    const script = (check.probe ?? "").replace(
      /(?<![\w.$"}/*])\/(etc|var|root|home|run|usr|proc)\b/g,
      `${this.path}/$1`,
    );
    const env = { PATH: `${this.path}/bin:/usr/sbin:/usr/bin:/sbin:/bin`, LC_ALL: "C.UTF-8" };
    const { status, stdout, stderr } = spawnSync("sh", ["-eu", "-c", script], { env, encoding: "utf8" });
    assert.equal(status, 0, `${check.name}: ${stderr}`);
    return stdout.replaceAll(this.path, "");
  }
}

/** This host as the machine of a survey. */
const host: Machine = {
  exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const [file = "", ...args] = argv;
    const { status, stdout, stderr } = spawnSync(file, args, {
      input: typeof options.stdin === "string" ? options.stdin : "",
      encoding: "utf8",
    });
    options.onOutput?.("stdout", stdout);
    return Promise.resolve({ exitCode: status ?? 255, stdout, stderr });
  },
};

describe("probes, run by a real shell", () => {
  let root: Root;
  beforeEach(() => (root = new Root()));
  afterEach(() => {
    rmSync(root.path, { recursive: true });
  });

  for (const check of SUITES.flatMap(({ checks }) => checks)) {
    it(`${check.name} parses`, () => {
      const { status, stderr } = spawnSync("sh", ["-n", "-c", check.probe ?? ""], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
    });
  }

  it("say nothing on a clean machine", () => {
    for (const check of [buildIdentityAbsent, packageCachesEmpty, noWorldWritableEtc, uniqueHostKeys]) {
      assert.equal(root.ask(check), "", check.name);
    }
    assert.match(root.ask(noOldLogs), /^boot: +0 [0-9a-f]{32} today\n$/);
  });

  it("find every trace of the build", () => {
    root.file("/etc/ssh/sshd_config.d/00-kvci-build.conf", "HostKey /run/kvci-build/host_key\n");
    root.file("/run/kvci-build/host_key", "");
    root.file("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA kvci-build@quickstart\nssh-ed25519 BBBB me@home\n");
    root.file("/var/lib/cloud/instances/old/user-data", "");
    mkdirSync(join(root.path, "var/lib/cloud/instances/new"));
    symlinkSync(join(root.path, "var/lib/cloud/instances/new"), join(root.path, "var/lib/cloud/instance"));
    assert.deepEqual(root.ask(buildIdentityAbsent).trimEnd().split("\n"), [
      "path: /run/kvci-build",
      "path: /etc/ssh/sshd_config.d/00-kvci-build.conf",
      "marker: /root/.ssh/authorized_keys",
      "instance: /var/lib/cloud/instances/old",
      "key: /root/.ssh/authorized_keys ssh-ed25519 AAAA kvci-build@quickstart",
      "key: /root/.ssh/authorized_keys ssh-ed25519 BBBB me@home",
    ]);
  });

  it("tell kinds of passwords apart without showing one", () => {
    const fields = ["root:*", "a:!", "b:!locked", "c:", "d:$y$secret", "e:!$6$secret", "f:aaSecretDES11", "g:!!"];
    root.file("/etc/shadow", fields.map((field) => `${field}:1:0:99999:7:::\n`).join(""));
    root.file(
      "/etc/passwd",
      ["a", "b", "c", "d", "e", "f", "g", "h"].reduce(
        (text, name) => `${text}${name}:x:1:1::/:/bin/sh\n`,
        "root:x:0:0::/root:/bin/sh\n",
      ),
    );
    assert.deepEqual(root.ask(noBuildUser).trimEnd().split("\n"), [
      "root 0 locked",
      ...["a 1 locked", "b 1 locked", "c 1 empty", "d 1 hash", "e 1 hash", "f 1 hash", "g 1 locked", "h 1 locked"],
    ]);
  });

  it("find logs, journals and histories from before the boot, and only those", () => {
    const old = root.file("/var/log/apt/history.log", "Start-Date\n");
    utimesSync(old, 1, 1);
    utimesSync(root.file("/var/log/wtmp", ""), 1, 1);
    root.file("/var/log/boot.log", "new\n");
    root.file("/var/log/cloud-init.log", "v. 22.4 running 'init-local' at\nv. 22.4 running 'init-local' at\n");
    root.file("/var/log/journal/fedcba98765432100123456789abcdef/system.journal", "x");
    root.file("/var/log/journal/0123456789abcdef0123456789abcdef/system.journal", "x");
    root.file("/root/.bash_history", "ls\n");
    assert.deepEqual(root.ask(noOldLogs).trimEnd().split("\n"), [
      "old: /var/log/apt/history.log",
      "old: /var/log/journal/fedcba98765432100123456789abcdef",
      "cloud-init: 2",
      "history: /root/.bash_history",
      "boot:  0 0123456789abcdef0123456789abcdef today",
    ]);
  });

  it("find package caches that came with the disk, but not those filled since the boot", () => {
    const list = root.file("/var/lib/apt/lists/mirror_Packages", "Package: a\n");
    utimesSync(list, 1, 1);
    root.file("/var/cache/apt/archives/lock", "");
    assert.equal(root.ask(packageCachesEmpty), "");
    root.boot(Date.now() / 1000 + 60);
    assert.equal(root.ask(packageCachesEmpty), "cached: /var/lib/apt/lists/mirror_Packages\n");
  });

  it("find what everybody can change, links left aside", () => {
    root.file("/etc/cni/net.conf", "", 0o666);
    symlinkSync("/nowhere", join(root.path, "etc/link"));
    assert.equal(root.ask(noWorldWritableEtc), "writable: /etc/cni/net.conf\n");
  });

  it("list host keys", () => {
    root.file("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA root@a\n");
    assert.equal(root.ask(uniqueHostKeys), "ssh-ed25519 AAAA root@a\n");
  });

  it("list failed units with their last lines", () => {
    root.program(
      "systemctl",
      'case "$*" in *list-units*) echo "a.service loaded failed failed A" ;; *) echo degraded; exit 1 ;; esac',
    );
    root.program("journalctl", "echo went wrong");
    assert.equal(root.ask(noFailedUnits), "state: degraded\nunit: a.service\n  went wrong\n");
  });

  it("list the jobs of a boot that does not end", () => {
    root.program(
      "systemctl",
      'case "$*" in *list-jobs*) echo "12 a.service start running" ;; *list-units*) ;; *) echo starting; exit 1 ;; esac',
    );
    assert.equal(root.ask(noFailedUnits), "state: starting\njob: 12 a.service start running\n");
  });

  it("ask sshd about its configuration", () => {
    root.program("sshd", "exit 0");
    assert.equal(root.ask(sshdConfigValid), "valid\n");
    root.program("sshd", "echo bad; exit 255");
    assert.equal(root.ask(sshdConfigValid), "bad\ninvalid: status 255\n");
  });

  it("tell the root filesystem's size in bytes", () => {
    root.program("lsblk", 'echo "NAME=\\"vda\\" PKNAME=\\"\\" TYPE=\\"disk\\" SIZE=\\"1\\""');
    assert.match(root.ask(rootFilesystemGrown), /^root: \d{6,}\nNAME="vda" PKNAME="" TYPE="disk" SIZE="1"\n$/);
  });
});

describe("survey, run by a real shell", () => {
  const check = (name: string, probe: string): Check => ({
    name,
    proves: "Nothing.",
    timeoutMs: 1_000,
    probe,
    judge: () => ({ ok: true, detail: "", evidence: [] }),
  });

  it("keeps probes apart, with their status, deadline and both streams", async () => {
    const checks = [
      check("quotes", `echo 'it'"'"'s' "$HOME" | head -c 4; echo err >&2`),
      check("fails", "echo before; false; echo after"),
      check("unset", 'echo "$no_such_variable"'),
      check("hangs", "sleep 30"),
      check("reads", "cat"),
      check("floods", "yes | head -c 100000"),
    ];
    const answers = await survey(new FakeClone("verify-a", host), checks, {
      signal: new AbortController().signal,
      now: Date.now,
    });
    assert.deepEqual(
      [...answers].map(([name, { status }]) => [name, status]),
      [
        ["quotes", 0],
        ["fails", 1],
        ["unset", 2],
        ["hangs", 124],
        ["reads", 0],
        ["floods", 0],
      ],
    );
    assert.equal(answers.get("quotes")?.output, "it's" + "err\n");
    assert.equal(answers.get("fails")?.output, "before\n");
    assert.equal(answers.get("floods")?.cut, true);
  });
});
