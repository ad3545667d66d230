import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { packagesBase, type PackagesBases } from "../../builders/packages/packages-base.ts";
import { packages } from "../../src/core/base.ts";
import type { Base } from "../../src/core/disk-image.ts";
import { KvciError } from "../../src/core/error.ts";
import { startRelay, type Relay } from "../../src/relay/relay.ts";
import { lockingStore } from "../builders/packages/locking-store.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";

/** A minute of mmdebstrap, on a host that does other things meanwhile. */
const BUILD_TIMEOUT_MS = 12 * 60_000;
const MIB = 1024 ** 2;
const ROOT_OFFSET = 257 * MIB;

const debian12 = packages({ distribution: "debian", release: "12" });
/** A mirror that does not answer. */
const NOBODY = "http://127.0.0.1:9/debian";
const output = (...argv: [string, ...string[]]): string => {
  const [file, ...args] = argv;
  return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 16 * MIB });
};

async function failureOf(work: Promise<unknown>): Promise<KvciError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof KvciError) return error;
    throw error;
  }
  return assert.fail("it did not fail");
}

describe("packages base", () => {
  const folder = mkdtempSync(join(tmpdir(), "kvci-packages-base-"));
  const store = lockingStore(folder);
  const journal = new RecordingJournal();
  const raw = join(folder, "disk.raw");
  let relay: Relay;
  let base: Base;
  let second: Base;

  const bases = (options: { signal?: AbortSignal; mirror?: string; journal?: RecordingJournal } = {}): PackagesBases =>
    packagesBase({
      store,
      journal: options.journal ?? journal,
      signal: options.signal ?? new AbortController().signal,
      environment: { packageMirrors: options.mirror === undefined ? {} : { debian: options.mirror } },
      // Everything comes by a relay, and nothing in the base tells.
      network: { relay: `http://127.0.0.1:${relay.port}`, env: {} },
    });
  const debugfs = (command: string): string => output("debugfs", "-R", command, `${raw}?offset=${ROOT_OFFSET}`);
  const names = (path: string): string[] => {
    const rows = debugfs(`ls -p ${path}`)
      .split("\n")
      .filter((row) => row !== "");
    return rows.map((row) => row.split("/")[5] ?? "").filter((name) => name !== "." && name !== "..");
  };

  before(async function () {
    this.timeout(BUILD_TIMEOUT_MS);
    const upstream = { mirrors: {}, baseUrl: undefined };
    const { signal } = new AbortController();
    relay = await startRelay({ upstream, named: [NOBODY], proxied: false, journal: new RecordingJournal(), signal });
    [base, second] = await Promise.all([bases().provide(debian12, "amd64"), bases().provide(debian12, "amd64")]);
    execFileSync("qemu-img", ["convert", "-O", "raw", base.disk.path, raw]);
  });
  after(async () => {
    await relay[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is made once for two who ask at once", () => {
    assert.deepEqual(second, base);
    assert.equal(journal.of("program-started").filter(({ argv }) => argv.includes("--format=null")).length, 1);
    assert.equal(journal.of("cache-hit").length, 1);
  });

  it("is known afterwards by the digest of its disk", async () => {
    const digest = `sha256:${createHash("sha256").update(readFileSync(base.disk.path)).digest("hex")}`;
    assert.equal(base.disk.digest, digest);
    assert.equal(await bases().known(debian12, "amd64"), digest);
    assert.equal(await bases().known(debian12, "arm64"), undefined);
  });

  it("says what is in it", () => {
    const record = JSON.parse(readFileSync(join(base.disk.path, "../base.json"), "utf8")) as Record<string, unknown>;
    assert.equal(record["virtualBytes"], base.disk.virtualBytes);
    assert.equal(record["rootPartition"], 2);
    const installed = record["packages"] as { name: string; version: string; arch: string }[];
    assert.ok(installed.length > 150);
    const kernel = installed.find(({ name }) => name === "linux-image-cloud-amd64");
    assert.match(kernel?.version ?? "", /^6\./);
    assert.ok(readFileSync(join(base.disk.path, "../mmdebstrap.log"), "utf8").includes("I: success"));
  });

  it("reports phases and bytes while it is made", () => {
    assert.match(journal.output(), /^I: installing essential packages/m);
    assert.doesNotMatch(journal.output(), /^Unpacking /m);
    const last = journal.of("transfer").at(-1);
    assert.ok(last !== undefined && last.totalBytes > 50e6 && last.doneBytes > last.totalBytes * 0.98);
  });

  it("is a sound qcow2 with an ESP and a root partition", () => {
    assert.match(output("qemu-img", "check", base.disk.path), /No errors were found/);
    const table = JSON.parse(output("sfdisk", "--json", raw)) as {
      partitiontable: { label: string; partitions: { type: string; name: string; start: number }[] };
    };
    assert.equal(table.partitiontable.label, "gpt");
    assert.deepEqual(
      table.partitiontable.partitions.map(({ type, name, start }) => ({ type, name, start })),
      [
        { type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", name: "esp", start: 2048 },
        { type: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", name: "root", start: ROOT_OFFSET / 512 },
      ],
    );
  });

  it("has what firmware and kernel-install look for on the ESP", () => {
    const esp = `${raw}@@1M`;
    const files = output("mdir", "-/", "-b", "-i", esp, "::")
      .split("\n")
      .filter((name) => name !== "" && !name.endsWith("/"));
    const kernel = /^::\/debian\/(.+)\/linux$/m.exec(files.join("\n"))?.[1] ?? "none";
    assert.deepEqual(files.sort(), [
      "::/EFI/BOOT/BOOTX64.EFI",
      "::/EFI/systemd/systemd-bootx64.efi",
      `::/debian/${kernel}/initrd.img-${kernel}`,
      `::/debian/${kernel}/linux`,
      `::/loader/entries.srel`,
      `::/loader/entries/debian-${kernel}.conf`,
      "::/loader/loader.conf",
    ]);
    const entry = output("mtype", "-i", esp, `::/loader/entries/debian-${kernel}.conf`);
    assert.match(entry, /^options +root=PARTLABEL=root rw console=tty0 console=ttyS0,115200n8$/m);
    assert.match(output("fsck.vfat", "-n", extract(1, 256)), /files/);
  });

  it("has a clean root filesystem with its journal empty", () => {
    const fsck = spawnSync("e2fsck", ["-f", "-n", `${raw}?offset=${ROOT_OFFSET}`], { encoding: "utf8" });
    assert.equal(fsck.status, 0, fsck.stdout);
  });

  it("holds nothing that two machines must not share, and nothing of this host", () => {
    assert.deepEqual(
      names("/etc/ssh").filter((name) => name.startsWith("ssh_host_")),
      [],
    );
    assert.equal(debugfs("cat /etc/machine-id"), "");
    assert.ok(!names("/etc").includes("hostname"));
    assert.ok(!names("/var/lib/systemd").includes("random-seed"));
    assert.ok(!names("/etc").some((name) => name.includes("resolv.conf.")));
    assert.match(debugfs("stat /etc/resolv.conf"), /\.\.\/run\/systemd\/resolve\/stub-resolv\.conf/);
    for (const path of ["/tmp", "/run", "/dev", "/proc", "/sys", "/var/lib/apt/lists"]) {
      assert.deepEqual(names(path), [], path);
    }
  });

  it("is left as no bootstrap would leave a running system: daemons may start, dpkg flushes, sources are the default", () => {
    assert.ok(!names("/usr/sbin").includes("policy-rc.d"));
    assert.ok(!names("/usr/sbin").includes("start-stop-daemon.REAL"));
    const dpkg = debugfs("cat /etc/dpkg/dpkg.cfg.d/99mmdebstrap");
    assert.match(dpkg, /^path-exclude=\/usr\/share\/man\/\*$/m);
    assert.doesNotMatch(dpkg, /force-unsafe-io/);
    assert.match(debugfs("cat /etc/apt/sources.list"), /bookworm-security main/);
    assert.doesNotMatch(debugfs("cat /etc/apt/sources.list"), /127\.0\.0\.1/);
    assert.ok(names("/usr/share/doc/sudo").includes("copyright"));
    assert.ok(!names("/usr/share/doc/sudo").some((name) => name.startsWith("changelog")));
  });

  it("turns on the network and SSH, and no unattended timers", () => {
    const wanted = names("/etc/systemd/system/multi-user.target.wants");
    for (const unit of ["systemd-networkd.service", "ssh.service", "ssh-host-key.service"]) {
      assert.ok(wanted.includes(unit), unit);
    }
    const timers = names("/etc/systemd/system/timers.target.wants");
    assert.ok(timers.includes("fstrim.timer"));
    for (const unit of ["apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer"]) {
      assert.ok(!timers.includes(unit), unit);
    }
    assert.ok(names("/boot").includes("efi"));
  });

  it("leaves nothing behind in the store's temporary folder", () => {
    assert.deepEqual(readdirSync(join(folder, "tmp")), []);
  });

  it("names the mirror that does not answer", async function () {
    this.timeout(120_000);
    const spec = packages({ ...debian12, include: ["jq"] });
    const failed = await failureOf(bases({ mirror: NOBODY }).provide(spec, "amd64"));
    assert.equal(failed.code, "base-failed");
    assert.match(failed.hint, /packageMirrors\.debian/);
    assert.match(failed.evidence.join("\n"), /127\.0\.0\.1/);
    assert.deepEqual(readdirSync(join(folder, "tmp")), []);
  });

  it("names a package that does not exist", async function () {
    this.timeout(300_000);
    const spec = packages({ ...debian12, include: ["no-such-package"] });
    const failed = await failureOf(bases().provide(spec, "amd64"));
    assert.match(failed.hint, /include/);
    assert.match(failed.evidence.join("\n"), /no-such-package/);
  });

  it("stops at once when told to: no process, no mount, no file stays", async function () {
    this.timeout(180_000);
    const controller = new AbortController();
    const watched = new RecordingJournal();
    const made = bases({ signal: controller.signal, journal: watched }).provide(
      packages({ ...debian12, include: ["tmux"] }),
      "amd64",
    );
    const ended = failureOf(made);
    // In the middle of unpacking: apt and dpkg run in namespaces, /proc and /sys are mounted.
    while (!/I: (?:extracting archives|installing)/.test(watched.output())) await delay(100);
    const abortedAt = performance.now();
    controller.abort();
    assert.equal((await ended).code, "interrupted");
    assert.ok(performance.now() - abortedAt < 15_000);
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(folder));
    assert.ok(!output("ps", "-eo", "args").includes(join(folder, "tmp")));
    assert.deepEqual(readdirSync(join(folder, "tmp")), []);
  });

  /** A part of the disk as a file of its own, for programs that know no offsets. */
  function extract(startMiB: number, sizeMiB: number): string {
    const file = join(folder, "part.raw");
    const parts = [
      `if=${raw}`,
      `of=${file}`,
      "bs=1M",
      `skip=${startMiB}`,
      `count=${sizeMiB}`,
      "conv=sparse",
      "status=none",
    ];
    execFileSync("dd", parts);
    return file;
  }
});
