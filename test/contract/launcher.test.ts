import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCommand } from "../../src/host/find-program.ts";

const root = join(import.meta.dirname, "../..");
/** What the launcher may count on: of these only tar, flock and the package managers are outside of coreutils. */
const HOST = (
  "sh cat chmod cp cut date dirname flock gzip head id mkdir mktemp mv printf readlink rm sha256sum sha512sum sleep " +
  "tail tar timeout uname"
).split(" ");

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A checkout of its own, on a host that has what is placed into `bin` and nothing else. */
class Host {
  readonly folder = mkdtempSync(join(tmpdir(), "kvci-launcher-"));
  readonly checkout = join(this.folder, "checkout");
  readonly bin = join(this.folder, "bin");

  async prepare(): Promise<void> {
    mkdirSync(join(this.checkout, "src/cli"), { recursive: true });
    mkdirSync(this.bin);
    cpSync(join(root, "kvci-build"), join(this.checkout, "kvci-build"));
    cpSync(join(root, "launcher"), join(this.checkout, "launcher"), { recursive: true });
    writeFileSync(join(this.checkout, "package-lock.json"), "{}\n");
    for (const name of HOST) {
      const path = await findCommand(name, { path: process.env["PATH"] ?? "", toolsFolder: "/nonexistent" });
      assert.ok(path, `${name} is part of every host`);
      symlinkSync(path, join(this.bin, name));
    }
    this.program("npm", FAKE_NPM);
    await this.sealTarball();
  }

  /** Puts the sha512 of the fake package in the place of the real one's. */
  private async sealTarball(): Promise<void> {
    const tarball = join(this.folder, "node.tgz");
    const content = join(this.folder, "package/bin");
    mkdirSync(content, { recursive: true });
    writeFileSync(join(content, "node"), fakeNode("v24.21.0"));
    chmodSync(join(content, "node"), 0o755);
    writeFileSync(join(content, "../LICENSE"), "");
    // The launcher's own programs make and measure the tarball, as they do on a real host.
    const script =
      `tar -czf ${tarball} -C ${this.folder} package && hash=$(sha512sum <${tarball}) && ` +
      `printf '%s' "\${hash%% *}" >${this.folder}/sha512`;
    await this.run(["sh", "-ec", script]);
    const provision = join(this.checkout, "launcher/provision.sh");
    const hash = readFileSync(join(this.folder, "sha512"), "utf8");
    const text = readFileSync(provision, "utf8");
    writeFileSync(provision, text.replaceAll(/^(sha512_\w+)=.*$/gm, `$1=${hash}`));
  }

  program(name: string, text: string): void {
    rmSync(join(this.bin, name), { force: true });
    writeFileSync(join(this.bin, name), text);
    chmodSync(join(this.bin, name), 0o755);
  }

  run(argv: readonly [string, ...string[]], cwd = this.folder): Promise<Outcome> {
    const [program, ...args] = argv;
    const env = { PATH: this.bin, HOME: this.folder, FAKE: this.folder };
    const child = spawn(program, args, { cwd, env, timeout: 30_000 });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve({ status, stdout, stderr }));
    });
  }

  launch(...args: readonly string[]): Promise<Outcome> {
    return this.run([join(this.checkout, "kvci-build"), ...args]);
  }

  /** What npm was asked to do, in order. */
  npmCalls(): readonly string[] {
    const file = join(this.folder, "npm.log");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Prints how it was called, as `node --version` and the CLI behind it would. */
function fakeNode(version: string): string {
  return `#!/bin/sh\n[ "$1" = --version ] && { echo ${version}; exit; }\nfor word; do printf '<%s>' "$word"; done\n`;
}

/** Delivers the tarball and makes node_modules; slowly enough that two first runs would meet. */
const FAKE_NPM = `#!/bin/sh
echo "$1 $2" >>"$FAKE/npm.log"
sleep 0.3
[ -e "$FAKE/offline" ] && { echo "npm error network" >&2; exit 1; }
case $1 in
  pack) cp "$FAKE/node.tgz" "./\${2%@*}-\${2#*@}.tgz"; echo "chatter" ;;
  ci) rm -rf node_modules; mkdir node_modules; echo "chatter" ;;
esac
`;

const arch = process.arch === "arm64" ? "arm64" : "x64";
const PACK = `pack node-linux-${arch}@24.21.0`;
const CI = "ci --ignore-scripts";

describe("launcher", () => {
  let host: Host;
  beforeEach(async () => {
    host = new Host();
    await host.prepare();
  });
  afterEach(() => host[Symbol.dispose]());

  const handedOver = (...args: readonly string[]): string =>
    ["--disable-warning=ExperimentalWarning", join(host.checkout, "src/cli/main.ts"), ...args]
      .map((word) => `<${word}>`)
      .join("");

  it("hands over to a fitting Node of the host, words unchanged, and says nothing when all is there", async () => {
    host.program("node", fakeNode("v22.19.0"));
    await host.launch();
    const { status, stdout, stderr } = await host.launch("template", "a b", "", "$HOME");
    assert.deepEqual(
      { status, stdout, stderr },
      { status: 0, stdout: handedOver("template", "a b", "", "$HOME"), stderr: "" },
    );
    assert.deepEqual(host.npmCalls(), [CI]);
  });

  for (const version of ["v18.20.4", "v20.20.2", "v22.18.0", "v23.5.0"]) {
    it(`fetches its own Node when the host's is ${version}`, async () => {
      host.program("node", fakeNode(version));
      const { stdout, stderr } = await host.launch("doctor");
      assert.equal(stdout, handedOver("doctor"));
      assert.match(
        stderr,
        /^kvci-build: fetching Node 24\.21\.0[^\n]*\nkvci-build: installing the npm packages[^\n]*\n$/,
      );
      assert.deepEqual(host.npmCalls(), [PACK, CI]);
      assert.deepEqual(readdirSync(join(host.checkout, ".kvci/node")), ["24.21.0"]);
    });
  }

  it("fetches it once, also without a Node on the host", async () => {
    await host.launch();
    const { stdout, stderr } = await host.launch();
    assert.equal(stdout, handedOver());
    assert.equal(stderr, "");
    assert.deepEqual(host.npmCalls(), [PACK, CI]);
  });

  it("refuses a Node whose sha512 is another, and leaves nothing of it", async () => {
    appendFileSync(join(host.folder, "node.tgz"), "x");
    const { status, stdout, stderr } = await host.launch();
    assert.equal(status, 5);
    assert.equal(stdout, "");
    assert.match(stderr, /does not have the sha512 it should have; nothing of it was unpacked/);
    assert.deepEqual(readdirSync(join(host.checkout, ".kvci/node")), []);
  });

  it("says what npm said when the network is away, and goes on from there later", async () => {
    writeFileSync(join(host.folder, "offline"), "");
    const { status, stderr } = await host.launch();
    assert.equal(status, 5);
    assert.match(
      stderr,
      /npm error network\nkvci-build: npm could not fetch .*\nkvci-build: the full output is in .*launcher\.log\n$/,
    );
    rmSync(join(host.folder, "offline"));
    assert.equal((await host.launch()).stdout, handedOver());
  });

  it("lets first runs at once wait for each other and work once", async () => {
    const outcomes = await Promise.all([host.launch("1"), host.launch("2"), host.launch("3")]);
    assert.deepEqual(
      outcomes.map(({ stdout }) => stdout),
      [handedOver("1"), handedOver("2"), handedOver("3")],
    );
    assert.deepEqual(host.npmCalls(), [PACK, CI]);
    assert.ok(outcomes.some(({ stderr }) => stderr.includes("waiting for another first run")));
  });

  it("is not stopped by what a killed run left", async () => {
    mkdirSync(join(host.checkout, ".kvci/node/tmp.killed/package"), { recursive: true });
    writeFileSync(join(host.checkout, ".kvci/launcher.lock"), "");
    assert.equal((await host.launch()).stdout, handedOver());
    assert.deepEqual(readdirSync(join(host.checkout, ".kvci/node")), ["24.21.0"]);
  });

  it("installs the packages again when the lock changed or an installation did not end", async () => {
    host.program("node", fakeNode("v24.1.0"));
    await host.launch();
    writeFileSync(join(host.checkout, "package-lock.json"), '{ "changed": true }\n');
    await host.launch();
    assert.deepEqual(host.npmCalls(), [CI, CI]);
    rmSync(join(host.checkout, "node_modules/.kvci-lock-stamp"));
    await host.launch();
    assert.equal(host.npmCalls().length, 3);
  });

  it("works from any folder, through links and by a relative name", async () => {
    host.program("node", fakeNode("v24.1.0"));
    mkdirSync(join(host.folder, "links"));
    symlinkSync("../checkout/kvci-build", join(host.folder, "links/first"));
    symlinkSync("links/first", join(host.folder, "second"));
    for (const [program, cwd] of [
      ["./second", host.folder],
      ["../links/first", host.checkout],
      ["./kvci-build", host.checkout],
    ] as const) {
      assert.equal((await host.run([program, "x"], cwd)).stdout, handedOver("x"));
    }
    assert.equal((await host.run(["sh", "kvci-build", "x"], host.checkout)).stdout, handedOver("x"));
  });

  it("says how to get npm to those who are not root, and gets it when root", async () => {
    rmSync(join(host.bin, "npm"));
    assert.match((await host.launch()).stderr, /npm is not installed; install it with your package manager/);
    host.program(
      "apt-get",
      `#!/bin/sh\necho "$*" >>"$FAKE/apt.log"\n[ "$1" = update ] || cp "$FAKE/npm" "${host.bin}/npm"\n`,
    );
    host.program("id", "#!/bin/sh\necho 1000\n");
    const { status, stderr } = await host.launch();
    assert.equal(status, 4);
    assert.match(
      stderr,
      /npm is not installed; run: sudo apt-get install -y --no-install-recommends npm ca-certificates\n$/,
    );
    writeFileSync(join(host.folder, "npm"), FAKE_NPM);
    chmodSync(join(host.folder, "npm"), 0o755);
    host.program("id", "#!/bin/sh\necho 0\n");
    assert.equal((await host.launch()).stdout, handedOver());
    assert.match(readFileSync(join(host.folder, "apt.log"), "utf8"), /^update\ninstall -y --no-install-recommends npm/);
  });

  it("gives the project's scripts the same Node, also by name", async () => {
    host.program("node", fakeNode("v20.0.0"));
    const script = join(host.checkout, "launcher/node.sh");
    const { stdout } = await host.run(["sh", script, "test/run.ts", "unit"]);
    assert.equal(stdout, "<--disable-warning=ExperimentalWarning><test/run.ts><unit>");
    assert.deepEqual(host.npmCalls(), [PACK, CI]);
  });
});
