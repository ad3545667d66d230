import assert from "node:assert/strict";
import * as openpgp from "openpgp";
import type { ImageSource } from "../../../src/base/distributions.ts";
import { listedNames, newestFirst, resolveCloudImage, type ResolveOptions } from "../../../src/base/resolve.ts";
import { KvciError } from "../../../src/core/error.ts";

const NOW = new Date("2026-03-04T05:06:07.000Z");
const A = "a1".repeat(32);
const B = "b2".repeat(64);
const ROOT = "https://img.example/pub/";

/** Fetches from memory, and remembers what was asked for. */
class Web {
  readonly asked: string[] = [];
  readonly files: Readonly<Record<string, string | Uint8Array>>;

  constructor(files: Readonly<Record<string, string | Uint8Array>>) {
    this.files = files;
  }

  readonly fetchFile = (url: string): Promise<Uint8Array> => {
    this.asked.push(url);
    const file = this.files[url];
    if (file !== undefined) return Promise.resolve(Buffer.from(file));
    return Promise.reject(new KvciError("download-failed", `no ${url}`, { hint: "none" }));
  };
}

function listing(...names: readonly string[]): string {
  return `<html><a href="../">up</a>${names.map((name) => `<a href="${name}">${name}</a>`).join("\n")}</html>`;
}

function options(web: Web, source?: ImageSource, more: Partial<ResolveOptions> = {}): ResolveOptions {
  return { fetchFile: web.fetchFile, now: () => NOW, ...(source ? { source: () => source } : {}), ...more };
}

describe("resolving a cloud image", () => {
  it("of CentOS takes the newest dated build from the one checksum file, never latest", async () => {
    const folder = "https://cloud.centos.org/centos/9-stream/x86_64/images/";
    const names = ["9-20250812.1", "9-20251201.0", "9-20251117.10", "9-latest"].map(
      (build) => `CentOS-Stream-GenericCloud-${build}.x86_64.qcow2`,
    );
    const web = new Web({
      [`${folder}CHECKSUM`]: names
        .map((name, index) => `# ${name}: 1 bytes\nSHA256 (${name}) = ${String(index).repeat(64)}\n`)
        .join(""),
    });
    assert.deepEqual(await resolveCloudImage({ distribution: "centos", release: "9" }, "amd64", options(web)), {
      url: `${folder}${names[1] ?? ""}`,
      digest: `sha256:${"1".repeat(64)}`,
      source: `${folder}CHECKSUM`,
      resolvedAt: "2026-03-04T05:06:07.000Z",
    });
  });

  it("of Debian takes the newest build that has the image", async () => {
    const folder = "https://cloud.debian.org/images/cloud/bookworm/";
    const web = new Web({
      [folder]: listing("20250210-2019/", "20250519-2117/", "20250601-1/", "latest/", "daily/"),
      [`${folder}20250601-1/SHA512SUMS`]: `${B}  debian-12-generic-amd64-20250601-1.qcow2\n`,
      [`${folder}20250519-2117/SHA512SUMS`]: `${B}  debian-12-genericcloud-amd64-20250519-2117.qcow2\n`,
    });
    const entry = await resolveCloudImage({ distribution: "debian", release: "12" }, "amd64", options(web));
    assert.equal(entry.url, `${folder}20250519-2117/debian-12-genericcloud-amd64-20250519-2117.qcow2`);
    assert.equal(entry.digest, `sha512:${B}`);
    assert.equal(entry.signedBy, undefined);
  });

  it("does not fall back to an older build because of the network", async () => {
    const folder = "https://cloud.debian.org/images/cloud/bookworm/";
    const web = new Web({ [folder]: listing("20250519-2117/", "20250601-1/") });
    await assert.rejects(resolveCloudImage({ distribution: "debian", release: "12" }, "amd64", options(web)), {
      code: "download-failed",
    });
    assert.deepEqual(web.asked, [folder, `${folder}20250601-1/SHA512SUMS`]);
  });

  it("without any build says what was looked for", async () => {
    const web = new Web({ "https://cloud.debian.org/images/cloud/bookworm/": listing("latest/") });
    await assert.rejects(resolveCloudImage({ distribution: "debian", release: "12" }, "amd64", options(web)), {
      code: "checksum-file-invalid",
      message: /bookworm\/ looks like/,
    });
  });

  it("without the image in the checksum file is refused", async () => {
    const web = new Web({ "https://cloud.centos.org/centos/9-stream/aarch64/images/CHECKSUM": `${A}  other.qcow2\n` });
    await assert.rejects(resolveCloudImage({ distribution: "centos", release: "9" }, "arm64", options(web)), {
      code: "checksum-file-invalid",
    });
  });

  it("of Fedora 43 does not take a checksum file that the pinned key did not sign", async () => {
    const folder = "https://download.fedoraproject.org/pub/fedora/linux/releases/43/Cloud/x86_64/images/";
    const { text } = await signer();
    const web = new Web({
      [folder]: listing("Fedora-Cloud-43-1.6-x86_64-CHECKSUM", "Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2"),
      [`${folder}Fedora-Cloud-43-1.6-x86_64-CHECKSUM`]: await text(
        `SHA256 (Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2) = ${A}`,
      ),
    });
    await assert.rejects(resolveCloudImage({ distribution: "fedora", release: "43" }, "amd64", options(web)), {
      code: "signature-invalid",
    });
  });

  describe("with a signature", () => {
    let signed: Awaited<ReturnType<typeof signer>>;
    before(async () => {
      signed = await signer();
    });

    function clearSigned(): ImageSource {
      const { fingerprint } = signed;
      return {
        folder: ROOT,
        checksums: /^Cloud-[\d.]+-CHECKSUM$/,
        image: /^disk-[\d.]+\.qcow2$/,
        signing: { kind: "clear-signed", keyFile: "test.asc", fingerprint },
      };
    }

    const readKey = (): Promise<string> => Promise.resolve(signed.armored);

    it("clear-signed: finds the newest checksum file, reads the signed text only, and notes the key", async () => {
      const evil = `SHA256 (disk-9.9.qcow2) = ${A}\n`;
      const web = new Web({
        [ROOT]: listing("Cloud-1.9-CHECKSUM", "Cloud-1.10-CHECKSUM"),
        [`${ROOT}Cloud-1.10-CHECKSUM`]: `${evil}${await signed.text(`SHA256 (disk-1.10.qcow2) = ${A}`)}${evil}`,
      });
      assert.deepEqual(
        await resolveCloudImage(
          { distribution: "fedora", release: "43" },
          "amd64",
          options(web, clearSigned(), { readKey }),
        ),
        {
          url: `${ROOT}disk-1.10.qcow2`,
          digest: `sha256:${A}`,
          source: `${ROOT}Cloud-1.10-CHECKSUM`,
          signedBy: signed.fingerprint,
          resolvedAt: "2026-03-04T05:06:07.000Z",
        },
      );
    });

    it("detached: reads file and signature from a mirror, and puts the original URL into the lock", async () => {
      const sums = `${A} *disk-1.qcow2\n`;
      const { fingerprint } = signed;
      const signing = { kind: "detached", signatureSuffix: ".gpg", keyFile: "test.asc", fingerprint } as const;
      const source: ImageSource = { folder: ROOT, checksums: "SUMS", image: /^disk-\d\.qcow2$/, signing };
      const web = new Web({ "http://m1/SUMS": sums, [`${ROOT}SUMS.gpg`]: await signed.detached(sums) });
      const mirrors = { "https://img.example/pub": ["http://m1"] };
      const entry = await resolveCloudImage(
        { distribution: "ubuntu", release: "24.04" },
        "amd64",
        options(web, source, { readKey, mirrors }),
      );
      assert.deepEqual([entry.url, entry.source, entry.signedBy], [`${ROOT}disk-1.qcow2`, `${ROOT}SUMS`, fingerprint]);
      assert.deepEqual(web.asked, ["http://m1/SUMS", "http://m1/SUMS.gpg", `${ROOT}SUMS.gpg`]);
    });

    it("asks no mirror for a checksum file that nobody signs", async () => {
      const source: ImageSource = {
        folder: ROOT,
        checksums: "SUMS",
        image: /^disk-\d\.qcow2$/,
        signing: { kind: "none" },
      };
      const web = new Web({
        [`${ROOT}SUMS`]: `${A}  disk-1.qcow2\n`,
        "http://m1/SUMS": `${"0".repeat(64)}  disk-1.qcow2\n`,
      });
      const mirrors = { "https://img.example/pub": ["http://m1"] };
      const entry = await resolveCloudImage(
        { distribution: "centos", release: "9" },
        "amd64",
        options(web, source, { mirrors }),
      );
      assert.equal(entry.digest, `sha256:${A}`);
    });
  });

  it("reads names from listings of any server", () => {
    const html = `<a href="a.img">a</a> <A HREF='/pub/x/b%2Bc.img'>b</A> <a href="d/">d</a> <a href="?C=N;O=D">Name</a> <a href="%zz">z</a>`;
    assert.deepEqual(listedNames(html), ["a.img", "b+c.img", "d", "%zz"]);
  });

  it("compares dates and versions as numbers", () => {
    assert.deepEqual(newestFirst(["x-1.9", "x-1.10", "x-1.2"]), ["x-1.10", "x-1.9", "x-1.2"]);
  });
});

async function signer(): Promise<{
  readonly fingerprint: string;
  readonly armored: string;
  text(text: string): Promise<string>;
  detached(text: string): Promise<string>;
}> {
  const date = new Date("2026-01-01T00:00:00Z");
  const userIDs = [{ name: "Distribution" }];
  const { privateKey } = await openpgp.generateKey({ userIDs, date, format: "object" });
  return {
    fingerprint: privateKey.getFingerprint().toUpperCase(),
    armored: privateKey.toPublic().armor(),
    text: async (text) =>
      openpgp.sign({ message: await openpgp.createCleartextMessage({ text }), signingKeys: privateKey, date }),
    detached: async (text) => {
      const message = await openpgp.createMessage({ binary: Buffer.from(text) });
      const options = { message, signingKeys: privateKey, detached: true, date } as const;
      return String((await openpgp.sign(options)) as unknown);
    },
  };
}
