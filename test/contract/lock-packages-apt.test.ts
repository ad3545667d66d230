import assert from "node:assert/strict";
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { installPackages } from "../../src/steps/index.ts";
import { debian } from "../src/steps/golden.ts";
import type { DebPackage } from "../world/apt-repository.ts";
import { RootTree, type Ended } from "../world/root-tree.ts";
import { AptWorld, DISTRIBUTION, kubectl, KUBERNETES, kubernetes } from "./lock-packages-apt-world.ts";
import { PackageWorld, TREE_TIMEOUT_MS } from "./lock-packages-world.ts";

const NEWER: DebPackage = { name: "cri-tools", version: "1.31.2-1.1", arch: "amd64" };
const SHOWN = "${Package} ${Version} ${db:Status-Status}\\n";

describe("installing locked packages of the apt family", () => {
  let apt: AptWorld;
  let tree: RootTree;
  const installed = async (): Promise<string> =>
    tree.must("dpkg-query", "--show", "--showformat", SHOWN, "kube*", "cri-tools", "socat");

  before(async function () {
    this.timeout(TREE_TIMEOUT_MS);
    apt = await AptWorld.make();
    tree = await RootTree.make();
    const keyring = "/etc/apt/keyrings/archive.asc";
    await tree.write(keyring, apt.key.publicKey);
    await tree.write("/etc/apt/sources.list", `deb [signed-by=${keyring}] ${DISTRIBUTION} bookworm main\n`);
    await tree.write("/run/kvci-build/relay", `${apt.world.relay}\n`);
  });

  afterEach(async () => {
    apt.reset();
    await tree.run(["sh", "-c", "dpkg --purge --force-depends kubelet kubeadm kubectl cri-tools kubernetes-cni socat"]);
    await tree.must("rm", "-rf", "/run/kvci-apt", "/usr/sbin/policy-rc.d");
  });
  after(async () => {
    await tree[Symbol.asyncDispose]();
    await apt[Symbol.asyncDispose]();
  });

  const lockedNow = async (): Promise<Awaited<ReturnType<PackageWorld["resolve"]>>> => apt.world.resolve(apt.steps);
  const apply = async (sets: Awaited<ReturnType<typeof lockedNow>> | undefined): Promise<Ended> =>
    tree.apply(apt.world.ops(apt.steps, sets));
  const succeeded = ({ status, output }: Ended): void => assert.equal(status, 0, output);

  it("installs what is locked although newer packages are there, and leaves nothing behind", async () => {
    const sets = await lockedNow();
    await apt.publish([NEWER, ...kubernetes("1.31.14-2.1")]);
    succeeded(await apply(sets));
    assert.equal(
      await installed(),
      [
        "cri-tools 1.31.1-1.1 installed",
        "kubeadm 1.31.14-1.1 installed",
        "kubectl 1.31.14-1.1 installed",
        "kubelet 1.31.14-1.1 installed",
        "kubernetes-cni 1.5.1-1.1 installed",
        "socat 1.7.4.4-2 installed",
        "",
      ].join("\n"),
    );
    assert.deepEqual(
      readdirSync(join(tree.path, "var/cache/apt/archives")).filter((name) => name.endsWith(".deb")),
      [],
    );
    assert.deepEqual(
      readdirSync(join(tree.path, "var/lib/apt/lists")).filter((name) => name.includes("example")),
      [],
    );
    assert.ok(!readdirSync(join(tree.path, "run/kvci-apt")).includes("preferences"));
    const source = readFileSync(join(tree.path, "etc/apt/sources.list.d/kubernetes.sources"), "utf8");
    assert.match(source, /^URIs: https:\/\/pkgs\.example\.org\/v1\.31\/deb\/$/m);
  });

  it("installs what fits best without a lock", async () => {
    await apt.publish([NEWER, ...kubernetes("1.31.14-2.1")]);
    succeeded(await apply(undefined));
    assert.match(await installed(), /cri-tools 1\.31\.2-1\.1 installed\n[^]*kubelet 1\.31\.14-2\.1 installed/);
  });

  it("raises what is there in an older version to the locked one", async () => {
    const older = await apt.world.resolve([apt.repository(), installPackages(["cri-tools"])]);
    succeeded(await tree.apply(apt.world.ops([apt.repository(), installPackages(["cri-tools"])], older)));
    await apt.publish([NEWER]);
    succeeded(await apply(await lockedNow()));
    assert.match(await installed(), /cri-tools 1\.31\.2-1\.1 installed/);
  });

  it("fetches every package once", async () => {
    const before = apt.world.requests.length;
    succeeded(await apply(await lockedNow()));
    const fetched = apt.world.requests.slice(before).filter((path) => path.endsWith(".deb"));
    assert.equal(fetched.length, 6);
    assert.equal(new Set(fetched).size, 6);
  });

  it("installs nothing when a package was changed behind the lock", async () => {
    const sets = await lockedNow();
    await apt.publish(kubernetes("1.31.14-1.1", { "/usr/bin/kubelet": "#!/bin/sh\necho other\n" }));
    const { status, output } = await apply(sets);
    assert.equal(status, 1);
    assert.match(
      output,
      /kvci-build: package kubelet, file kubelet_1\.31\.14-1\.1_amd64\.deb has sha256:[0-9a-f]{64}, the lock has sha256:[0-9a-f]{64}: run kvci-build lock/,
    );
    assert.equal((await tree.run(["dpkg-query", "--show", "kubelet"])).status, 1);
  });

  it("says so when a version of the lock is gone", async () => {
    const sets = await lockedNow();
    rmSync(join(apt.world.at(KUBERNETES), "kubelet_1.31.14-1.1_amd64.deb"));
    await apt.publish([]);
    const { status, output } = await apply(sets);
    assert.equal(status, 1);
    assert.match(output, /Version '1\.31\.14-1\.1' for 'kubelet' was not found/);
    assert.match(output, /run kvci-build lock/);
  });

  it("leaves a file that is not what the signed index says to apt, which refuses it", async () => {
    const sets = await lockedNow();
    appendFileSync(join(apt.world.at(KUBERNETES), "kubelet_1.31.14-1.1_amd64.deb"), "more");
    const { status, output } = await apply(sets);
    assert.equal(status, 1);
    assert.match(output, /kubelet_1\.31\.14-1\.1_amd64\.deb.*(?:unexpected size|Hash Sum mismatch)/s);
  });

  it("takes no packages by an index that a stranger signed", async () => {
    const sets = await lockedNow();
    await apt.publish([], apt.stranger);
    const { status, output } = await apply(sets);
    assert.equal(status, 100, output);
    assert.match(output, /NO_PUBKEY|not signed/);
  });

  it("reads the lists anew when the relay is another one", async () => {
    succeeded(await tree.apply(apt.world.ops([apt.repository(), kubectl], undefined)));
    await tree.write("/run/kvci-build/relay", "http://127.0.0.1:1\n");
    const { status, output } = await tree.apply(apt.world.ops([installPackages(["kubeadm"])], undefined));
    await tree.write("/run/kvci-build/relay", `${apt.world.relay}\n`);
    assert.equal(status, 100);
    assert.match(output, /127\.0\.0\.1:1\/https\/pkgs\.example\.org/);
  });

  it("works from a copy of nothing but the index files and the packages of the lock", async () => {
    const sets = await lockedNow();
    const packages = Object.values(sets).flatMap((set) => Object.values(set.packages).map(({ url }) => url));
    const urls = [...(await apt.world.indexFiles(apt.steps)), ...packages];
    const copy = new PackageWorld(debian, []);
    for (const url of urls) {
      mkdirSync(dirname(copy.at(url)), { recursive: true });
      cpSync(apt.world.at(url), copy.at(url));
    }
    await copy.start();
    await tree.write("/run/kvci-build/relay", `${copy.relay}\n`);
    succeeded(await apply(sets));
    await tree.write("/run/kvci-build/relay", `${apt.world.relay}\n`);
    await copy[Symbol.asyncDispose]();
    assert.match(await installed(), /kubelet 1\.31\.14-1\.1 installed/);
  });
});
