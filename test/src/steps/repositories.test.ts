import assert from "node:assert/strict";
import { containerd } from "../../../src/steps/containerd.ts";
import { packageRepository } from "../../../src/steps/repositories.ts";
import { contentOf, debian, fedora } from "./golden.ts";
import { kubernetesRepository } from "./samples.ts";

const { dnf, ...aptOnly } = kubernetesRepository;

describe("packageRepository", () => {
  it("ties an apt repository to its own key", () => {
    const file = contentOf(
      packageRepository(kubernetesRepository).ops(debian),
      "/etc/apt/sources.list.d/kubernetes.sources",
    );
    assert.match(file, /^Signed-By: \/etc\/apt\/keyrings\/kubernetes\.asc$/m);
    assert.doesNotMatch(file, /^Components/m);
  });

  it("checks package signatures of a dnf repository whatever it was told", () => {
    const unsignedIndex = { ...kubernetesRepository, dnf: { baseUrl: "https://packages.example.org/rpm/" } };
    const file = contentOf(packageRepository(unsignedIndex).ops(fedora), "/etc/yum.repos.d/kubernetes.repo");
    assert.match(file, /^gpgcheck=1\nrepo_gpgcheck=0\ngpgkey=file:\/\/\/etc\/pki\/rpm-gpg\/RPM-GPG-KEY-kubernetes$/m);
  });

  it("copies the key in when it is a file", () => {
    const ops = packageRepository({ ...kubernetesRepository, signingKey: { file: "keys/k8s.asc" } }).ops(debian);
    assert.deepEqual(ops[0], {
      kind: "copy-in",
      source: "keys/k8s.asc",
      path: "/etc/apt/keyrings/kubernetes.asc",
      mode: 0o644,
      owner: "root:root",
    });
  });

  it("leaves a key that is elsewhere to the lock", () => {
    const signingKey = { url: "https://packages.example.org/key.asc" };
    assert.deepEqual(packageRepository({ ...kubernetesRepository, signingKey }).ops(fedora)[0], {
      kind: "fetch-in",
      url: signingKey.url,
      path: "/etc/pki/rpm-gpg/RPM-GPG-KEY-kubernetes",
      mode: 0o644,
      owner: "root:root",
      manifest: false,
      edits: [],
    });
  });

  it("is needed with its key and its places, by steps that bring one, too", () => {
    const { name, signingKey, apt } = kubernetesRepository;
    const need = { kind: "repository", name, signingKey, apt: { ...apt, components: [] }, dnf };
    assert.deepEqual(packageRepository(kubernetesRepository).needs?.(debian), [need]);
    const [first, second] = containerd({ repository: kubernetesRepository }).needs?.(debian) ?? [];
    assert.deepEqual(first, need);
    assert.equal(second?.kind === "packages" && second.set, "install-containerd");
  });

  it("makes apt read its lists anew", () => {
    assert.deepEqual(packageRepository(kubernetesRepository).ops(debian).at(-1), {
      kind: "run",
      argv: ["rm", "-rf", "/run/kvci-apt"],
    });
  });

  it("says so when it has no place for the family", () => {
    assert.ok(dnf);
    assert.throws(() => packageRepository(aptOnly).ops(fedora), {
      code: "template-invalid",
      message: /"kubernetes": it says nothing about dnf/,
    });
  });

  it("refuses keys that are none, private keys, passwords in URLs and suites without components", () => {
    const refused = (change: object, message: RegExp): void => {
      assert.throws(() => packageRepository({ ...kubernetesRepository, ...change }), { name: "InputError", message });
    };
    refused({ signingKey: "mDMEZAAAABYJ" }, /signingKey: an ASCII-armoured OpenPGP public key/);
    refused(
      { signingKey: "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nx\n-----END PGP PRIVATE KEY BLOCK-----\n" },
      /public key/,
    );
    refused(
      { apt: { uris: ["https://user:secret@packages.example.org/"], suites: ["/"] } },
      /cannot hold a user name or a password/,
    );
    refused(
      { apt: { uris: ["https://packages.example.org/"], suites: ["bookworm"] } },
      /components: a suite has components/,
    );
    refused({ gpgcheck: false }, /unknown key "gpgcheck"/);
    assert.throws(() => packageRepository({ name: "x", signingKey: { file: "x" } }), { message: /apt, dnf or both/ });
  });
});
