import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import type { Step } from "../../src/core/step.ts";
import { installPackages } from "../../src/steps/index.ts";
import { AptWorld, KUBERNETES, kubelet } from "./lock-packages-apt-world.ts";
import { failureOf } from "./lock-packages-world.ts";

describe("locking packages of the apt family", () => {
  let apt: AptWorld;
  before(async () => {
    apt = await AptWorld.make();
  });
  afterEach(() => apt.reset());
  after(() => apt[Symbol.asyncDispose]());

  it("takes the newest version that fits, what it depends on, and nothing that an earlier step brings", async () => {
    const sets = await apt.world.resolve(apt.steps);
    const versions = Object.entries(sets).map(([set, { wants, packages }]) => ({
      set,
      wants,
      packages: Object.entries(packages).map(([name, { version, arch }]) => `${name} ${version} ${arch}`),
    }));
    assert.deepEqual(versions, [
      {
        set: "install-kubelet-1.31.14-kubeadm-1.31.14",
        wants: ["kubeadm@1.31.14-*", "kubelet@1.31.14-*"],
        packages: [
          "cri-tools 1.31.1-1.1 amd64",
          "kubeadm 1.31.14-1.1 amd64",
          "kubelet 1.31.14-1.1 amd64",
          "kubernetes-cni 1.5.1-1.1 amd64",
          "socat 1.7.4.4-2 amd64",
        ],
      },
      {
        set: "install-kubectl-1.31.14-socat",
        wants: ["kubectl@1.31.14-*", "socat"],
        packages: ["kubectl 1.31.14-1.1 amd64"],
      },
    ]);
  });

  it("keeps the digest, the size and the place that a guest knows", async () => {
    const sets = await apt.world.resolve(apt.steps);
    const found = sets["install-kubelet-1.31.14-kubeadm-1.31.14"]?.packages["kubelet"];
    const file = readFileSync(join(apt.world.at(KUBERNETES), "kubelet_1.31.14-1.1_amd64.deb"));
    assert.deepEqual(found, {
      version: "1.31.14-1.1",
      arch: "amd64",
      digest: sha256(file),
      bytes: file.length,
      url: `${KUBERNETES}kubelet_1.31.14-1.1_amd64.deb`,
    });
  });

  it("gives the same again", async () => {
    assert.deepEqual(await apt.world.resolve(apt.steps), await apt.world.resolve(apt.steps));
  });

  it("does not see a repository before the step that adds it", async () => {
    const error = await failureOf(apt.world.resolve([kubelet, apt.repository()]));
    assert.equal(error.code, "packages-unresolvable");
    assert.match(error.message, /no repository offers kubelet/);
  });

  it("names the versions there are when the wanted one is not", async () => {
    const error = await failureOf(apt.world.resolve([apt.repository(), installPackages(["kubelet@1.31.99-*"])]));
    assert.equal(error.code, "packages-unresolvable");
    assert.match(error.message, /kubelet 1\.31\.99-\*.*: there are 1\.32\.1-1\.1, 1\.31\.14-1\.1, 1\.31\.13-1\.1$/);
  });

  it("says what does not go together", async () => {
    await apt.publish([{ name: "kubelet", version: "1.31.14-2.1", arch: "amd64", depends: ["gone (>= 2)"] }]);
    const error = await failureOf(apt.world.resolve(apt.steps));
    assert.equal(error.code, "packages-unresolvable");
    assert.match(error.evidence.join("\n"), /kubelet : Depends: gone/);
  });

  it("refuses an index that was tampered with, a foreign key and an index without signature, by name", async () => {
    const inRelease = join(apt.world.at(KUBERNETES), "InRelease");
    const refused = async (step: Step): Promise<void> => {
      const error = await failureOf(apt.world.resolve([step, kubelet]));
      assert.equal(error.code, "signature-invalid", error.evidence.join("\n"));
      assert.match(error.message, /repository "kubernetes" \(https:\/\/pkgs\.example\.org\/v1\.31\/deb\/\)/);
    };
    writeFileSync(inRelease, readFileSync(inRelease, "utf8").replace("Suite: test", "Suite: best"));
    await refused(apt.repository());
    rmSync(inRelease);
    rmSync(join(apt.world.at(KUBERNETES), "Release.gpg"));
    await refused(apt.repository());
    await apt.publish([]);
    await refused(apt.repository(apt.stranger.publicKey));
  });

  it("refuses an index that is not the signed one", async () => {
    for (const name of ["Packages", "Packages.gz"]) appendFileSync(join(apt.world.at(KUBERNETES), name), "\nX: y\n");
    const error = await failureOf(apt.world.resolve(apt.steps));
    assert.equal(error.code, "digest-mismatch");
    assert.match(error.message, /repository "kubernetes"/);
  });

  it("names the URL when a mirror is down", async () => {
    const error = await failureOf(apt.world.resolve(apt.steps, { rewrite: () => "http://127.0.0.1:1/" }));
    assert.equal(error.code, "download-failed");
    assert.match(error.message, /cannot fetch http:\/\/archive\.example\.org\/debian\/dists\/bookworm\/InRelease/);
    apt.world.intercept = ({ url = "" }, response) => {
      if (url.includes("pkgs.example.org")) response.writeHead(503).end();
      return url.includes("pkgs.example.org");
    };
    const broken = await failureOf(apt.world.resolve(apt.steps));
    assert.equal(broken.code, "download-failed");
    assert.match(broken.message, /https:\/\/pkgs\.example\.org\/v1\.31\/deb\/?/);
  });
});
