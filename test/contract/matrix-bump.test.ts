import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bump, type BumpFlags } from "../../src/cli/commands/bump.ts";
import { sha256 } from "../../src/core/digest.ts";
import { capturedApp, restoreEnvironment, type CapturedApp } from "../src/cli/commands/captured-app.ts";
import { templateFolders } from "../src/cli/template-loader/template-folder.ts";
import { staticServer, type StaticServer } from "../world/static-server.ts";

const ROW = `"pause": "3.10.2", "etcd": "3.7.0-0", "coreDns": "v1.14.6", "criTools": "1.37.0", "kubernetesCni": "1.9.1", "kubeadmApi": "v1beta4", "crio": "1.37"`;
const TABLE = `{\n  "1.37": { "version": "1.37.1", ${ROW} }\n}\n`;

/** A template that wants a file of its minor's release, and another that has nothing to do with Kubernetes. */
const FAMILY = `import { defineStep, defineTemplate, fetchIn, localDisk } from "kvci-build";
import RELEASES from "./versions.json" with { type: "json" };
export function node(minor: string) {
  const { version } = (RELEASES as Record<string, { version: string }>)[minor] ?? { version: "none" };
  const url = \`https://dl.k8s.io/release/v\${version}/bin/linux/amd64/kubeadm\`;
  return defineTemplate({
    name: \`k8s-\${minor}\`,
    base: localDisk("../disk.raw", { distribution: "debian", release: "12" }),
    steps: [defineStep("kubeadm", [fetchIn(url, "/usr/bin/kubeadm")])],
  });
}
`;
const PLAIN = `import { defineStep, defineTemplate, fetchIn, localDisk } from "kvci-build";
export default defineTemplate({
  name: "plain",
  base: localDisk("../disk.raw", { distribution: "debian", release: "12" }),
  steps: [defineStep("motd", [fetchIn("https://files.example/motd", "/etc/motd")])],
});
`;
const FILES = {
  "disk.raw": "a disk",
  "templates/k8s-1.37.ts": 'import { node } from "./kubernetes/node.ts";\n\nexport default node("1.37");\n',
  "templates/plain.ts": PLAIN,
  "templates/kubernetes/node.ts": FAMILY,
  "templates/kubernetes/versions.json": TABLE,
};

const CONSTANTS = 'PauseVersion = "3.10.2"\nDefaultEtcdVersion = "3.7.1-0"\nconst CoreDNSVersion = "v1.14.6"\n';
const UPSTREAM = {
  "dl/release/stable.txt": "v1.37.2",
  "dl/release/stable-1.37.txt": "v1.37.2",
  "dl/release/v1.37.1/bin/linux/amd64/kubeadm": "kubeadm 1.37.1",
  "dl/release/v1.37.2/bin/linux/amd64/kubeadm": "kubeadm 1.37.2",
  "raw/kubernetes/kubernetes/v1.37.2/cmd/kubeadm/app/constants/constants.go": CONSTANTS,
  "files/motd": "welcome",
};
const NEW_MINOR = {
  "dl/release/stable.txt": "v1.38.0",
  "dl/release/stable-1.38.txt": "v1.38.0",
  "dl/release/v1.38.0/bin/linux/amd64/kubeadm": "kubeadm 1.38.0",
  "raw/kubernetes/kubernetes/v1.38.0/cmd/kubeadm/app/constants/constants.go": CONSTANTS,
};

describe("kvci-build bump", () => {
  const templateFolder = templateFolders();
  restoreEnvironment();
  let upstream: StaticServer;
  let served: string;
  let app: CapturedApp;
  const text = (name: string): Promise<string> => readFile(join(app.cwd, name), "utf8");
  const run = (flags: Partial<BumpFlags> = {}, names: readonly string[] = []): Promise<number> =>
    bump(app, names, { env: "test", ...flags });

  async function serve(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(served, name)), { recursive: true });
      await writeFile(join(served, name), content);
    }
  }

  beforeEach(async () => {
    served = (await templateFolder({})).path;
    await serve(UPSTREAM);
    upstream = await staticServer(served);
    const hosts = { dl: "dl.k8s.io", raw: "raw.githubusercontent.com", files: "files.example" };
    const mirrors = Object.entries(hosts).map(([name, host]) => [`https://${host}`, [`${upstream.url}/${name}`]]);
    const environment = `import { defineEnvironment } from "kvci-build";
export default defineEnvironment({ mirrors: ${JSON.stringify(Object.fromEntries(mirrors))} });\n`;
    const { path } = await templateFolder({ ...FILES, "environments/test.ts": environment });
    app = { ...capturedApp(join(path, "store"), Date.parse("2026-03-04T05:06:07Z")), cwd: path };
  });
  afterEach(() => upstream[Symbol.asyncDispose]());

  it("locks what floats, then finds the newer release, and prints what changes and what does not", async () => {
    assert.equal(await run({ base: true }), 0);
    const before = JSON.parse(await text("kvci-build.lock.json")) as { files: object };
    assert.equal(Object.keys(before.files).length, 2);
    assert.equal(await run(), 0);
    const changelog = app.out().slice(app.out().lastIndexOf("# Kubernetes"));
    assert.match(changelog, /^# Kubernetes 1\.37\.2\n/);
    assert.match(changelog, /\| 1\.37 +\| version +\| 1\.37\.1 +\| 1\.37\.2 +\|/);
    assert.match(changelog, /\| 1\.37 +\| etcd +\| 3\.7\.0-0 +\| 3\.7\.1-0 +\|/);
    assert.match(changelog, /v1\.37\.1\/bin\/linux\/amd64\/kubeadm` +\| [0-9a-f]{12} +\| gone/);
    assert.match(changelog, /\| `k8s-1\.37` \| amd64 \| [0-9a-f]{12} \| [0-9a-f]{12} \|/);
    assert.match(changelog, /Unchanged: `plain` amd64\.\n$/);
    assert.equal(
      await text("templates/kubernetes/versions.json"),
      TABLE.replace("1.37.1", "1.37.2").replace("3.7.0", "3.7.1"),
    );
    const { files } = JSON.parse(await text("kvci-build.lock.json")) as { files: Record<string, { digest: string }> };
    assert.deepEqual(
      Object.entries(files).map(([url, { digest }]) => [url, digest]),
      [
        ["https://dl.k8s.io/release/v1.37.2/bin/linux/amd64/kubeadm", sha256("kubeadm 1.37.2")],
        ["https://files.example/motd", sha256("welcome")],
      ],
    );
    assert.match(app.err(), /^wrote templates\/kubernetes\/versions\.json$/m);
  });

  it("finds nothing the second time, and leaves every file as it is", async () => {
    await run();
    const files = ["templates/kubernetes/versions.json", "kvci-build.lock.json"];
    const written = await Promise.all(files.map(text));
    const already = app.out().length;
    await run();
    assert.deepEqual(await Promise.all(files.map(text)), written);
    assert.match(app.out().slice(already), /^# No news\n\nNothing newer was found\.\n/);
  });

  it("proposes a new minor: an entry, a template, and what to look at", async () => {
    await serve(NEW_MINOR);
    assert.equal(await run({ kubernetes: true }), 0);
    const table = JSON.parse(await text("templates/kubernetes/versions.json")) as Record<string, { version: string }>;
    assert.deepEqual(
      Object.entries(table).map(([minor, { version }]) => [minor, version]),
      [
        ["1.37", "1.37.2"],
        ["1.38", "1.38.0"],
      ],
    );
    assert.equal(await text("templates/k8s-1.38.ts"), FILES["templates/k8s-1.37.ts"].replace("1.37", "1.38"));
    assert.match(app.out(), /- \[ \] `templates\/k8s-1\.38\.ts` is a copy of the minor before\./);
    assert.match(app.out(), /\| `k8s-1\.38` \| amd64 \| none +\| [0-9a-f]{12} \|/);
    assert.match(await text("kvci-build.lock.json"), /v1\.38\.0\/bin\/linux\/amd64\/kubeadm/);
  });

  it("refreshes only what it is asked for", async () => {
    await run({ base: true });
    await serve({ "files/motd": "welcome back" });
    await run({ images: true });
    assert.ok((await text("kvci-build.lock.json")).includes(sha256("welcome")));
    await run({ base: true }, ["plain"]);
    assert.ok((await text("kvci-build.lock.json")).includes(sha256("welcome back")));
    assert.equal(await text("templates/kubernetes/versions.json"), TABLE);
  });

  it("with names bumps the minors of those, and proposes none", async () => {
    await serve(NEW_MINOR);
    await run({ kubernetes: true }, ["plain"]);
    assert.equal(await text("templates/kubernetes/versions.json"), TABLE);
    await run({ kubernetes: true }, ["k8s-1.37"]);
    assert.deepEqual(Object.keys(JSON.parse(await text("templates/kubernetes/versions.json")) as object), ["1.37"]);
    assert.match(await text("templates/kubernetes/versions.json"), /"1\.37\.2"/);
  });

  it("writes nothing when it is only to say what it would do", async () => {
    assert.equal(await run({ dryRun: true, json: true }), 0);
    const said = JSON.parse(app.out()) as { versions: object[]; lock: object[]; written: string[] };
    assert.deepEqual([said.versions.length, said.lock.length, said.written], [1, 2, []]);
    assert.equal(await text("templates/kubernetes/versions.json"), TABLE);
    assert.ok(!(await readdir(app.cwd)).includes("kvci-build.lock.json"));
  });

  it("writes nothing when one thing cannot be found out, and names it", async () => {
    await rm(join(served, "dl/release/v1.37.2"), { recursive: true });
    await assert.rejects(run(), (error: Error) => {
      assert.match(error.message, /https:\/\/dl\.k8s\.io\/release\/v1\.37\.2\/bin\/linux\/amd64\/kubeadm/);
      return "code" in error && error.code === "download-failed";
    });
    assert.equal(await text("templates/kubernetes/versions.json"), TABLE);
    assert.ok(!(await readdir(app.cwd)).includes("kvci-build.lock.json"));
  });

  it("names the URL that does not answer", async () => {
    await serve({ "dl/release/stable-1.37.txt": "<html>sign in</html>" });
    await assert.rejects(run(), {
      code: "download-failed",
      message: /^https:\/\/dl\.k8s\.io\/release\/stable-1\.37\.txt: /,
    });
  });
});
