import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KvciError } from "../../../src/core/error.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import type { InstallOptions } from "../../../src/host/install-options.ts";
import { installPrograms, missingPrograms, requirePrograms } from "../../../src/host/install-programs.ts";

const DEBIAN = "ID=debian\n";
const FEDORA = "ID=fedora\n";
const TARGETS = [
  "Packages|Debian|Debian-Security|http://mirror.example/debian-security/",
  "Translations|Debian|Debian|http://mirror.example/wrong/",
  "Packages|Docker|Docker CE|http://docker.example/debian/",
  "Packages|Debian|Debian|http://mirror.example/debian/",
].join("\n");

/** A host whose package manager is a function: what it is asked to install appears on the search path. */
class FakeHost {
  readonly folder = mkdtempSync(join(tmpdir(), "kvci-install-"));
  readonly ran: string[] = [];
  /** Commands that fail, by a part of them. */
  readonly failing = new Set<string>();
  /** What apt-get update makes work again. */
  listsAreStale = false;

  options(more: Partial<InstallOptions> = {}): InstallOptions {
    return {
      path: join(this.folder, "bin"),
      toolsFolder: join(this.folder, "tools"),
      signal: new AbortController().signal,
      journal: silentJournal,
      osRelease: DEBIAN,
      isRoot: true,
      run: async (argv, { cwd }) => this.run(argv, cwd),
      ...more,
    };
  }

  private run(argv: readonly string[], cwd: string | undefined): string {
    const command = argv.join(" ").replaceAll(this.folder, "");
    this.ran.push(command);
    if ([...this.failing].some((part) => command.includes(part)) || this.isStale(command)) {
      throw new KvciError("program-failed", `${argv[0] ?? ""} exited 100`, {
        hint: "See its output.",
        evidence: ["E: Unable to locate package"],
      });
    }
    return this.effect(command, argv, cwd);
  }

  private isStale(command: string): boolean {
    if (command.includes("apt-get update")) this.listsAreStale = false;
    return this.listsAreStale && command.includes("apt-get install");
  }

  private effect(command: string, argv: readonly string[], cwd: string | undefined): string {
    if (command.includes("indextargets")) return TARGETS;
    if (command.endsWith("download oras")) writeFileSync(join(cwd ?? "", "oras_1.3.3-1_amd64.deb"), "");
    if (command.startsWith("dpkg-deb")) this.place(join(argv[3] ?? "", "usr/bin/oras"));
    if (/ install .*skopeo/.test(command)) this.place(join(this.folder, "bin/skopeo"));
    if (/ install .*oras$/.test(command)) this.place(join(this.folder, "bin/oras"));
    return "";
  }

  place(path: string): void {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, "#!/bin/sh\n");
    chmodSync(path, 0o755);
  }
}

describe("installing host programs", () => {
  let host: FakeHost;
  beforeEach(() => {
    host = new FakeHost();
  });
  afterEach(() => rmSync(host.folder, { recursive: true }));

  it("runs the distribution's package manager, one at a time, without questions", async () => {
    await installPrograms(["skopeo"], host.options());
    assert.match(host.ran[0] ?? "", /^flock -o -w 1800 \S+ apt-get install -y --no-install-recommends skopeo$/);
    assert.equal(host.ran.length, 1);
    await installPrograms(["skopeo"], host.options());
    assert.equal(host.ran.length, 1, "what is there is not installed again");
  });

  it("refreshes the package lists once when a package is not found", async () => {
    host.listsAreStale = true;
    await installPrograms(["skopeo"], host.options());
    assert.deepEqual(
      host.ran.map((command) => /(apt-get \S+)/.exec(command)?.[1]),
      ["apt-get install", "apt-get update", "apt-get install"],
    );
  });

  it("gives up after that, with the package manager's words", async () => {
    host.failing.add("skopeo");
    await assert.rejects(installPrograms(["skopeo"], host.options()), {
      code: "program-failed",
      evidence: ["E: Unable to locate package"],
    });
    assert.equal(host.ran.length, 3);
  });

  it("says the exact command to those who are not root", async () => {
    await assert.rejects(installPrograms(["skopeo"], host.options({ isRoot: false, osRelease: FEDORA })), {
      code: "program-missing",
      message: "skopeo is needed and not installed",
      hint: "Run `sudo dnf install -y skopeo`.",
    });
    assert.deepEqual(host.ran, []);
  });

  it("does not believe an installer that leaves no program", async () => {
    const run: InstallOptions["run"] = async () => "";
    await assert.rejects(installPrograms(["skopeo"], host.options({ run })), {
      code: "program-missing",
      message: "skopeo was installed, yet cannot be found",
    });
  });
});

describe("installing oras", () => {
  let host: FakeHost;
  beforeEach(() => {
    host = new FakeHost();
  });
  afterEach(() => rmSync(host.folder, { recursive: true }));

  it("takes the distribution's package where there is one", async () => {
    await installPrograms(["oras"], host.options());
    assert.deepEqual(host.ran, ["apt-get install -y --no-install-recommends oras", "/bin/oras version"]);
  });

  it("else unpacks Debian's own of release 13, from the system's mirror, without root", async () => {
    host.failing.add("install -y");
    for (const isRoot of [true, false]) {
      rmSync(join(host.folder, "tools"), { recursive: true, force: true });
      await installPrograms(["oras"], host.options({ isRoot }));
      assert.deepEqual(readdirSync(join(host.folder, "tools")), ["oras"], "no temporary folder is left");
    }
  });

  it("else asks Go, and in the end says why each way failed", async () => {
    for (const part of ["install", "download oras"]) host.failing.add(part);
    await assert.rejects(installPrograms(["oras"], host.options()), (error: KvciError) => {
      assert.equal(error.code, "program-missing");
      assert.equal(error.evidence.length, 3);
      assert.match(error.hint, /Install oras 1\.2 or newer/);
      return true;
    });
    assert.deepEqual(readdirSync(join(host.folder, "tools")), []);
  });

  it("takes no package of Debian on another distribution", async () => {
    host.failing.add("install");
    await assert.rejects(installPrograms(["oras"], host.options({ osRelease: "ID=ubuntu\nID_LIKE=debian\n" })));
    assert.ok(!host.ran.some((command) => command.includes("indextargets")));
  });

  it("stops trying when it is interrupted", async () => {
    const abort = new AbortController();
    const run: InstallOptions["run"] = async () => {
      abort.abort();
      throw new KvciError("interrupted", "apt-get was stopped", { hint: "Run the same command again." });
    };
    await assert.rejects(installPrograms(["oras"], host.options({ run, signal: abort.signal })), {
      code: "interrupted",
    });
  });
});

describe("requiring host programs", () => {
  let host: FakeHost;
  beforeEach(() => {
    host = new FakeHost();
  });
  afterEach(() => rmSync(host.folder, { recursive: true }));

  it("does nothing when all are there", async () => {
    host.place(join(host.folder, "bin/skopeo"));
    await requirePrograms(["skopeo"], { ...host.options(), install: true });
    assert.deepEqual(host.ran, []);
  });

  it("is an error with the command when nothing may be installed", async () => {
    assert.deepEqual(await missingPrograms(["skopeo"], host.options()), ["skopeo"]);
    await assert.rejects(requirePrograms(["skopeo"], { ...host.options(), install: false }), {
      code: "program-missing",
      hint: "Run `sudo apt-get install -y --no-install-recommends skopeo`.",
    });
  });

  it("reports the installation as a phase", async () => {
    const spans: string[] = [];
    const journal: InstallOptions["journal"] = {
      ...silentJournal,
      span: ({ name }, work) => {
        spans.push(name);
        return work(silentJournal);
      },
    };
    await requirePrograms(["skopeo"], { ...host.options({ journal }), install: true });
    assert.deepEqual(spans, ["install skopeo"]);
  });
});
