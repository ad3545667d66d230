import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { readKey } from "openpgp";
import { imageSource } from "../../../src/base/distributions.ts";
import { FEDORA_FINGERPRINTS, UBUNTU_FINGERPRINT } from "../../../src/base/fingerprints.ts";

const KEYS = new URL("../../../src/base/keys/", import.meta.url);

describe("table of distributions", () => {
  it("comes with the very keys whose fingerprints are pinned, valid and none besides", async () => {
    const pinned = new Map([...FEDORA_FINGERPRINTS].map(([release, print]) => [`fedora-${release}.asc`, print]));
    pinned.set("ubuntu.asc", UBUNTU_FINGERPRINT);
    assert.deepEqual((await readdir(KEYS)).sort(), [...pinned.keys()].sort());
    for (const [file, print] of pinned) {
      const key = await readKey({ armoredKey: await readFile(new URL(file, KEYS), "utf8") });
      assert.equal(key.getFingerprint().toUpperCase(), print);
      await key.verifyPrimaryKey(new Date("2026-11-01T00:00:00Z"));
      assert.equal(await key.getExpirationTime(), Infinity);
      assert.equal(key.isPrivate(), false);
    }
  });

  for (const [distribution, release, arch, folder, name] of [
    [
      "fedora",
      "43",
      "amd64",
      "https://download.fedoraproject.org/pub/fedora/linux/releases/43/Cloud/x86_64/images/",
      "Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2",
    ],
    [
      "fedora",
      "43",
      "s390x",
      "https://download.fedoraproject.org/pub/fedora-secondary/releases/43/Cloud/s390x/images/",
      "Fedora-Cloud-Base-Generic-43-1.6.s390x.qcow2",
    ],
    [
      "centos",
      "9",
      "arm64",
      "https://cloud.centos.org/centos/9-stream/aarch64/images/",
      "CentOS-Stream-GenericCloud-9-20250812.1.aarch64.qcow2",
    ],
    [
      "centos",
      "10",
      "s390x",
      "https://cloud.centos.org/centos/10-stream/s390x/images/",
      "CentOS-Stream-GenericCloud-10-20241118.0.s390x.qcow2",
    ],
    [
      "debian",
      "12",
      "amd64",
      "https://cloud.debian.org/images/cloud/bookworm/",
      "debian-12-genericcloud-amd64-20250519-2117.qcow2",
    ],
    [
      "ubuntu",
      "24.04",
      "s390x",
      "https://cloud-images.ubuntu.com/releases/24.04/",
      "ubuntu-24.04-server-cloudimg-s390x.img",
    ],
  ] as const) {
    it(`knows ${distribution} ${release} on ${arch}`, () => {
      const source = imageSource(distribution, release, arch);
      assert.equal(source.folder, folder);
      assert.match(name, source.image);
      assert.doesNotMatch(
        name.replace(/\d{8}(\.\d|-\d+)|1\.6/, "latest"),
        distribution === "ubuntu" ? /^$/ : source.image,
      );
    });
  }

  it("takes no other flavour and no other architecture for the image", () => {
    const { image } = imageSource("fedora", "43", "amd64");
    assert.doesNotMatch("Fedora-Cloud-Base-UEFI-UKI-43-1.6.x86_64.qcow2", image);
    assert.doesNotMatch("Fedora-Cloud-Base-Generic-43-1.6.aarch64.qcow2", image);
    assert.doesNotMatch("Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2.sig", image);
    assert.doesNotMatch(
      "CentOS-Stream-GenericCloud-x86_64-9-20250812.1.x86_64.qcow2",
      imageSource("centos", "9", "amd64").image,
    );
  });

  it("refuses a Fedora release whose key is not pinned, and tells how to add it", () => {
    assert.throws(() => imageSource("fedora", "99", "amd64"), { code: "signature-invalid", hint: /fingerprints\.ts/ });
  });

  it("refuses what a distribution does not have, and tells what it has", () => {
    assert.throws(() => imageSource("debian", "12", "s390x"), {
      code: "template-invalid",
      hint: /11, 12, 13 on amd64, arm64/,
    });
    assert.throws(() => imageSource("centos", "7", "amd64"), { code: "template-invalid", hint: /9, 10/ });
  });
});
