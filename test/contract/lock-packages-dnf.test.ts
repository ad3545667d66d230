import assert from "node:assert/strict";
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { dnfPlaces } from "../../src/core/distribution-repositories.ts";
import type { Step } from "../../src/core/step.ts";
import { installPackages, packageRepository } from "../../src/steps/index.ts";
import { centos } from "../src/steps/golden.ts";
import { RootTree, type Ended } from "../world/root-tree.ts";
import { rpmRepository, type RpmPackage } from "../world/rpm-repository.ts";
import { signingKey, type SigningKey } from "../world/signing-key.ts";
import { failureOf, PackageWorld, TREE_TIMEOUT_MS } from "./lock-packages-world.ts";

const KUBERNETES = "https://pkgs.example.org/v1.31/rpm/";
const APPSTREAM = dnfPlaces(centos)["appstream"] ?? "";
const APPSTREAM_PLACE = "https://mirror.stream.centos.org/9-stream/AppStream/x86_64/os/";

const kubernetes = (version: string, files: Readonly<Record<string, string>> = {}): readonly RpmPackage[] => [
  { name: "kubelet", version, arch: "x86_64", depends: ["kubernetes-cni >= 1.2", "socat"], files },
  { name: "kubeadm", version, arch: "x86_64", depends: ["cri-tools >= 1.31"] },
  { name: "kubectl", version, arch: "x86_64" },
];

const NEWER: RpmPackage = { name: "cri-tools", version: "1.31.2-150500.1.1", arch: "x86_64" };

/** As CentOS Stream has it: a list of mirrors, which leads to the distribution's own place. */
const CENTOS_REPO = `[appstream]
name=CentOS Stream $releasever - AppStream
metalink=https://mirrors.centos.org/metalink?repo=centos-appstream-$stream&arch=$basearch&protocol=https,http
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-test
gpgcheck=1
repo_gpgcheck=0
enabled=1

[appstream-debuginfo]
name=CentOS Stream $releasever - AppStream - Debug
metalink=https://mirrors.centos.org/metalink?repo=centos-appstream-debug-$stream&arch=$basearch&protocol=https,http
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-test
gpgcheck=1
enabled=0
`;

describe("locked packages of the dnf family", function () {
  let world: PackageWorld;
  let key: SigningKey;
  let stranger: SigningKey;
  let tree: RootTree;
  let pristine: string;

  const repository = (publicKey = key.publicKey): Step =>
    packageRepository({ name: "kubernetes", signingKey: publicKey, dnf: { baseUrl: KUBERNETES, signedIndex: true } });
  const kubelet = installPackages(["kubelet@1.31.14-*", "kubeadm@1.31.14-*"]);
  const kubectl = installPackages(["kubectl@1.31.14-*", "socat"]);
  const steps = (): readonly Step[] => [repository(), kubelet, kubectl];
  const installed = async (): Promise<readonly string[]> =>
    (await tree.must("rpm", "-qa", "--qf", "%{NAME} %{EVR}\\n"))
      .split("\n")
      .filter((line) => !/^(?:gpg-pubkey.*|)$/.test(line))
      .sort();
  const publish = (packages: readonly RpmPackage[], by = key): Promise<void> =>
    rpmRepository(world.at(KUBERNETES), { packages, key: by, signedIndex: true });

  before(async function () {
    this.timeout(TREE_TIMEOUT_MS);
    [key, stranger] = await Promise.all([signingKey(), signingKey("Stranger <stranger@example.org>")]);
    world = new PackageWorld(centos, [{ name: "appstream", dnf: { baseUrl: APPSTREAM } }]);
    await world.start();
    const socat: RpmPackage = { name: "socat", version: "1:1.7.4.4-2.el9", arch: "x86_64", recommends: ["socat-doc"] };
    const doc: RpmPackage = { name: "socat-doc", version: "1-1" };
    await rpmRepository(world.at(APPSTREAM_PLACE), { packages: [socat, doc], key });
    await publish([
      ...kubernetes("1.31.13-150500.1.1"),
      ...kubernetes("1.31.14-150500.1.1"),
      ...kubernetes("1.32.1-150500.1.1"),
      { name: "cri-tools", version: "1.31.1-150500.1.1", arch: "x86_64" },
      { name: "kubernetes-cni", version: "1.5.1-150500.1.1", arch: "x86_64" },
    ]);
    pristine = `${world.folder}/pristine`;
    cpSync(world.at(KUBERNETES), pristine, { recursive: true, preserveTimestamps: true });
    tree = await RootTree.make();
    await tree.write("/etc/pki/rpm-gpg/RPM-GPG-KEY-test", key.publicKey);
    await tree.write("/etc/yum.repos.d/centos.repo", CENTOS_REPO);
    await tree.write("/etc/dnf/vars/stream", "9-stream\n");
    await tree.write("/etc/dnf/vars/releasever", "9\n");
    await tree.write("/run/kvci-build/relay", `${world.relay}\n`);
  });

  afterEach(async () => {
    rmSync(world.at(KUBERNETES), { recursive: true });
    cpSync(pristine, world.at(KUBERNETES), { recursive: true, preserveTimestamps: true });
    await tree.must(
      "sh",
      "-c",
      "rm -rf /var/lib/rpm/* /root/.rpmdb /var/cache/dnf /var/cache/kvci-dnf /var/lib/dnf /run/kvci-dnf",
    );
  });
  after(async () => {
    await tree[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await Promise.all([key[Symbol.asyncDispose](), stranger[Symbol.asyncDispose]()]);
  });

  describe("resolving", () => {
    it("takes the newest version that fits, what it depends on, and nothing that an earlier step brings", async () => {
      const sets = await world.resolve(steps());
      const versions = Object.entries(sets).map(([set, { packages }]) => ({
        set,
        packages: Object.entries(packages).map(([name, { version, arch }]) => `${name}-${version}.${arch}`),
      }));
      assert.deepEqual(versions, [
        {
          set: "install-kubelet-1.31.14-kubeadm-1.31.14",
          packages: [
            "cri-tools-0:1.31.1-150500.1.1.x86_64",
            "kubeadm-0:1.31.14-150500.1.1.x86_64",
            "kubelet-0:1.31.14-150500.1.1.x86_64",
            "kubernetes-cni-0:1.5.1-150500.1.1.x86_64",
            "socat-1:1.7.4.4-2.el9.x86_64",
          ],
        },
        { set: "install-kubectl-1.31.14-socat", packages: ["kubectl-0:1.31.14-150500.1.1.x86_64"] },
      ]);
    });

    it("keeps the digest, the size and the place that a guest knows", async () => {
      const sets = await world.resolve(steps());
      const packages = sets["install-kubelet-1.31.14-kubeadm-1.31.14"]?.packages ?? {};
      const file = readFileSync(join(world.at(KUBERNETES), "kubelet-1.31.14-150500.1.1.x86_64.rpm"));
      assert.deepEqual(packages["kubelet"], {
        version: "0:1.31.14-150500.1.1",
        arch: "x86_64",
        digest: sha256(file),
        bytes: file.length,
        url: `${KUBERNETES}kubelet-1.31.14-150500.1.1.x86_64.rpm`,
      });
      assert.equal(packages["socat"]?.url, `${APPSTREAM_PLACE}socat-1.7.4.4-2.el9.x86_64.rpm`);
    });

    it("gives the same again", async () => {
      assert.deepEqual(await world.resolve(steps()), await world.resolve(steps()));
    });

    it("takes what is recommended where that is asked for", async () => {
      const sets = await world.resolve([installPackages(["socat"], { recommends: true })]);
      assert.deepEqual(Object.keys(sets["install-socat"]?.packages ?? {}), ["socat", "socat-doc"]);
    });

    it("names the versions there are when the wanted one is not, and what does not go together", async () => {
      const error = await failureOf(world.resolve([repository(), installPackages(["kubelet@1.31.99-*"])]));
      assert.equal(error.code, "packages-unresolvable");
      assert.match(error.message, /kubelet 1\.31\.99-\*.*: there are 1\.32\.1-150500\.1\.1, 1\.31\.14-/);
      await publish([{ name: "kubelet", version: "1.31.14-2.1", arch: "x86_64", depends: ["gone >= 2"] }]);
      const alone = await failureOf(world.resolve([repository(), installPackages(["kubelet@1.31.14-2.1"])]));
      assert.equal(alone.code, "packages-unresolvable");
      assert.match(alone.evidence.join("\n"), /gone >= 2/);
    });

    it("refuses an index that was tampered with, a foreign key and an index without signature, by name", async () => {
      const index = join(world.at(KUBERNETES), "repodata/repomd.xml");
      const refused = async (step: Step): Promise<void> => {
        const error = await failureOf(world.resolve([step, kubelet]));
        assert.equal(error.code, "signature-invalid", error.evidence.join("\n"));
        assert.match(error.message, /repository "kubernetes" \(https:\/\/pkgs\.example\.org\/v1\.31\/rpm\/\)/);
      };
      await refused(repository(stranger.publicKey));
      appendFileSync(index, "<!-- -->\n");
      await refused(repository());
      rmSync(`${index}.asc`);
      await refused(repository());
    });

    it("names the URL when a mirror is down", async () => {
      const error = await failureOf(world.resolve(steps(), { rewrite: () => "http://127.0.0.1:1/" }));
      assert.equal(error.code, "download-failed");
      assert.match(
        error.message,
        /cannot fetch https:\/\/mirror\.stream\.centos\.org\/9-stream\/AppStream\/x86_64\/os\/repodata\/repomd\.xml/,
      );
    });
  });

  describe("installing", () => {
    const apply = async (sets: Awaited<ReturnType<PackageWorld["resolve"]>> | undefined): Promise<Ended> =>
      tree.apply(world.ops(steps(), sets));
    const succeeded = ({ status, output }: Ended): void => assert.equal(status, 0, output);

    it("installs what is locked although newer packages are there, and leaves nothing behind", async () => {
      const sets = await world.resolve(steps());
      await publish([NEWER, ...kubernetes("1.31.14-150500.2.1")]);
      succeeded(await apply(sets));
      assert.deepEqual(await installed(), [
        "cri-tools 1.31.1-150500.1.1",
        "kubeadm 1.31.14-150500.1.1",
        "kubectl 1.31.14-150500.1.1",
        "kubelet 1.31.14-150500.1.1",
        "kubernetes-cni 1.5.1-150500.1.1",
        "socat 1:1.7.4.4-2.el9",
      ]);
      assert.ok(!existsSync(join(tree.path, "var/cache/kvci-dnf")));
      assert.deepEqual(
        readdirSync(join(tree.path, "var/cache")).filter((name) => name.includes("dnf")),
        [],
      );
      assert.equal(readFileSync(join(tree.path, "etc/yum.repos.d/centos.repo"), "utf8"), CENTOS_REPO);
      assert.match(
        readFileSync(join(tree.path, "etc/yum.repos.d/kubernetes.repo"), "utf8"),
        /^baseurl=https:\/\/pkgs\.example/m,
      );
    });

    it("installs what fits best without a lock", async () => {
      await publish([NEWER, ...kubernetes("1.31.14-150500.2.1")]);
      succeeded(await apply(undefined));
      const found = await installed();
      assert.ok(found.includes("cri-tools 1.31.2-150500.1.1"), found.join());
      assert.ok(found.includes("kubelet 1.31.14-150500.2.1"), found.join());
    });

    it("raises what is there in an older version to the locked one", async () => {
      succeeded(await tree.apply(world.ops([repository(), installPackages(["cri-tools"])], undefined)));
      assert.deepEqual(await installed(), ["cri-tools 1.31.1-150500.1.1"]);
      await publish([NEWER]);
      succeeded(await apply(await world.resolve(steps())));
      assert.ok((await installed()).includes("cri-tools 1.31.2-150500.1.1"));
    });

    it("fetches every package once", async () => {
      const sets = await world.resolve(steps());
      const before = world.requests.length;
      succeeded(await apply(sets));
      const fetched = world.requests.slice(before).filter((path) => path.endsWith(".rpm"));
      assert.equal(fetched.length, 6);
      assert.equal(new Set(fetched).size, 6);
    });

    it("installs nothing when a package was changed behind the lock", async () => {
      const sets = await world.resolve(steps());
      await publish(kubernetes("1.31.14-150500.1.1", { "/usr/bin/kubelet": "#!/bin/sh\necho other\n" }));
      const { status, output } = await apply(sets);
      assert.equal(status, 1, output);
      assert.match(
        output,
        /kvci-build: package kubelet, file kubelet-1\.31\.14-150500\.1\.1\.x86_64\.rpm has sha256:[0-9a-f]{64}, the lock has sha256:[0-9a-f]{64}: run kvci-build lock/,
      );
      assert.deepEqual(await installed(), []);
    });

    it("says so when a version of the lock is gone", async () => {
      const sets = await world.resolve(steps());
      rmSync(join(world.at(KUBERNETES), "kubelet-1.31.14-150500.1.1.x86_64.rpm"));
      await publish([]);
      const { status, output } = await apply(sets);
      assert.equal(status, 1);
      assert.match(output, /kubelet-0:1\.31\.14-150500\.1\.1\.x86_64/);
      assert.match(output, /run kvci-build lock/);
    });

    it("takes no index that a stranger signed", async () => {
      const sets = await world.resolve(steps());
      await publish([], stranger);
      const { status, output } = await apply(sets);
      assert.equal(status, 1);
      assert.match(output, /GPG/);
      assert.deepEqual(await installed(), []);
    });

    it("takes no package that a stranger signed, whatever the lock says", async () => {
      const unsignedIndex = packageRepository({
        name: "kubernetes",
        signingKey: key.publicKey,
        dnf: { baseUrl: KUBERNETES },
      });
      await publish([], stranger);
      const sets = await world.resolve([unsignedIndex, kubelet]);
      const { status, output } = await tree.apply(world.ops([unsignedIndex, kubelet], sets));
      assert.notEqual(status, 0);
      assert.match(output, /GPG|key/i);
      assert.deepEqual(await installed(), []);
    });

    it("works from a copy of nothing but the index files and the packages of the lock", async () => {
      const sets = await world.resolve(steps());
      const packages = Object.values(sets).flatMap((set) => Object.values(set.packages).map(({ url }) => url));
      const copy = new PackageWorld(centos, []);
      for (const url of [...(await world.indexFiles(steps())), ...packages]) {
        mkdirSync(dirname(copy.at(url)), { recursive: true });
        cpSync(world.at(url), copy.at(url));
      }
      await copy.start();
      await tree.write("/run/kvci-build/relay", `${copy.relay}\n`);
      const ended = await apply(sets);
      await tree.write("/run/kvci-build/relay", `${world.relay}\n`);
      await copy[Symbol.asyncDispose]();
      succeeded(ended);
      assert.ok((await installed()).includes("kubelet 1.31.14-150500.1.1"));
    });
  });
});
