import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Op } from "../../src/core/op.ts";
import {
  clusterInstall,
  firstBoot,
  growRootOnFirstBoot,
  hugepages,
  localVolumes,
  seal,
  swap,
  tmpfs,
} from "../../src/steps/index.ts";
import { debian } from "../src/steps/golden.ts";

/** The order of cloud-init's units as Debian 12 ships them (cloud-init 22.4.2): the part that can make a cycle. */
const CLOUD_INIT = {
  "cloud-init.service": "Before=network-online.target sysinit.target\nDefaultDependencies=no",
  "cloud-config.service":
    "After=network-online.target cloud-config.target\nWants=network-online.target cloud-config.target",
  "cloud-config.target": "After=cloud-init.service\nWants=cloud-init.service",
  "cloud-final.service": "After=multi-user.target cloud-config.service",
};

/** A root folder with systemd's own units, cloud-init's order and OpenSSH's unit: where systemd-analyze looks. */
class UnitRoot {
  readonly path = mkdtempSync(join(tmpdir(), "kvci-units-"));

  constructor() {
    cpSync("/lib/systemd/system", join(this.path, "usr/lib/systemd/system"), {
      recursive: true,
      dereference: false,
      verbatimSymlinks: true,
    });
    symlinkSync("usr/lib", join(this.path, "lib"));
    for (const [name, order] of Object.entries(CLOUD_INIT)) {
      const service = name.endsWith(".service") ? "\n[Service]\nType=oneshot\nExecStart=/usr/bin/true" : "";
      this.write(`/usr/lib/systemd/system/${name}`, `[Unit]\n${order}\n${service}\n`);
      this.want("multi-user.target", name);
    }
    this.write("/usr/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/bin/true\n");
    for (const program of ["true", "touch", "ssh-keygen"]) this.write(`/usr/bin/${program}`, "", 0o755);
  }

  write(path: string, content: string, mode = 0o644): void {
    const file = join(this.path, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  }

  want(target: string, unit: string): void {
    const folder = join(this.path, "etc/systemd/system", `${target}.wants`);
    mkdirSync(folder, { recursive: true });
    symlinkSync(`/usr/lib/systemd/system/${unit}`, join(folder, unit));
  }

  /** Does what a step's ops do to files and units. */
  take(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.kind === "write-file") this.write(op.path, op.content, op.mode);
      if (op.kind === "run" && op.argv[0] === "systemctl" && op.argv[1] === "enable") {
        for (const unit of op.argv.slice(2)) this.want(this.wantedBy(unit), unit);
      }
    }
  }

  wantedBy(unit: string): string {
    const text = readFileSync(join(this.path, "etc/systemd/system", unit), "utf8");
    return /^WantedBy=(\S+)$/m.exec(text)?.[1] ?? assert.fail(`${unit} is wanted by nothing`);
  }

  /** What systemd-analyze says about the boot that leads to `unit`, without what it says of the host's own units. */
  verify(unit: string): string {
    const { stderr, error } = spawnSync("systemd-analyze", ["verify", "--man=no", `--root=${this.path}`, unit], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    });
    assert.equal(error, undefined, "systemd-analyze is needed: apt-get install systemd");
    return stderr
      .split("\n")
      .filter((line) => /kvci|cycle|swapfile|srv-tests|hugepages1G/.test(line))
      .join("\n");
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

describe("units of the steps", () => {
  let root: UnitRoot;
  beforeEach(() => {
    root = new UnitRoot();
  });
  afterEach(() => root.remove());

  const step = firstBoot({
    name: "join",
    script: "#!/bin/sh\ntrue\n",
    before: ["ssh.service"],
    after: ["cloud-init.service"],
  });

  it("are sound in systemd's eyes", () => {
    root.take([...step.ops(debian), ...seal().ops(debian)]);
    for (const unit of [
      "kvci-first-boot-join.service",
      "kvci-first-boot-failed@join.service",
      "kvci-ssh-host-keys.service",
    ]) {
      assert.equal(root.verify(unit), "", unit);
    }
  });

  it("boot beside cloud-init without an ordering cycle", () => {
    root.take([...step.ops(debian), ...seal().ops(debian)]);
    assert.equal(root.verify("multi-user.target"), "");
  });

  it("of a cluster's installation is sound, and comes behind the runtime without an ordering cycle", () => {
    root.write("/usr/lib/systemd/system/crio.service", "[Service]\nExecStart=/usr/bin/true\n");
    root.want("multi-user.target", "crio.service");
    root.take([...clusterInstall({ runtime: "cri-o" }).ops(debian), ...growRootOnFirstBoot().ops(debian)]);
    for (const unit of ["kvci-first-boot-cluster-install.service", "multi-user.target"]) {
      assert.equal(root.verify(unit), "", unit);
    }
  });

  it("of a node's storage are sound, and boot together without an ordering cycle", () => {
    const steps = [
      growRootOnFirstBoot(),
      swap({ sizeMiB: 64 }),
      localVolumes({ on: "data-disk" }),
      tmpfs({ path: "/srv/tests" }),
      hugepages({ "1Gi": 1 }),
    ];
    root.take([...step.ops(debian), ...steps.flatMap((other) => other.ops(debian))]);
    for (const unit of [
      "kvci-grow-root.service",
      "kvci-swap-file.service",
      "swapfile.swap",
      "kvci-local-volumes.service",
      "srv-tests.mount",
      "dev-hugepages1G.mount",
      "multi-user.target",
    ]) {
      assert.equal(root.verify(unit), "", unit);
    }
  });

  // systemd's default for swap units, except in a container, where this test may run.
  it("would not, did the swap file come before swap.target", () => {
    const early = swap({ sizeMiB: 64 })
      .ops(debian)
      .map((op) =>
        op.kind === "write-file"
          ? { ...op, content: op.content.replace("DefaultDependencies=no", "Before=swap.target") }
          : op,
      );
    root.take(early);
    assert.match(root.verify("multi-user.target"), /ordering cycle/);
  });

  it("would not, were the first-boot unit ordered after cloud-init's last", () => {
    const late = step
      .ops(debian)
      .map((op) =>
        op.kind === "write-file"
          ? { ...op, content: op.content.replace("After=cloud-config.service", "After=cloud-final.service") }
          : op,
      );
    root.take(late);
    assert.match(root.verify("multi-user.target"), /ordering cycle/);
  });

  it("are found unsound when a line is wrong", () => {
    const wrong = step
      .ops(debian)
      .map((op) =>
        op.kind === "write-file" ? { ...op, content: op.content.replace("Type=oneshot", "Type=once") } : op,
      );
    root.take(wrong);
    assert.match(root.verify("kvci-first-boot-join.service"), /Failed to parse service type/);
  });
});
