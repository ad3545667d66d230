import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCertificates } from "../../../src/base/certificates.ts";
import { networkEnv } from "../../../src/base/network-env.ts";

describe("what programs that fetch are given", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "kvci-network-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is nothing where nothing stands between them and the world", async () => {
    assert.deepEqual(await networkEnv({ proxy: { no: ["localhost"] }, caCertificates: [] }, folder), {});
  });

  it("is the proxies, in both cases", async () => {
    const proxy = { https: "http://p.example:1", no: ["localhost", "a.example"] };
    assert.deepEqual(await networkEnv({ proxy, caCertificates: [] }, folder), {
      https_proxy: "http://p.example:1",
      HTTPS_PROXY: "http://p.example:1",
      no_proxy: "localhost,a.example",
      NO_PROXY: "localhost,a.example",
    });
  });

  it("is one bundle of the host's authorities and the environment's", async () => {
    const own = join(folder, "own.pem");
    // Any certificate does; text around it is usual.
    const [certificate = ""] = hostCertificates().slice(-1);
    writeFileSync(own, `An authority\n${certificate}\n`);
    const env = await networkEnv({ proxy: { no: [] }, caCertificates: [own] }, folder);
    assert.deepEqual(Object.keys(env), ["SSL_CERT_FILE"]);
    const bundle = readFileSync(env["SSL_CERT_FILE"] ?? "", "utf8");
    const count = bundle.match(/-----BEGIN CERTIFICATE-----/g)?.length;
    assert.equal(count, hostCertificates().length + 1);
    assert.doesNotMatch(bundle, /An authority/);
  });

  for (const [what, content] of [
    ["is not there", undefined],
    ["holds no certificate", "-----BEGIN PRIVATE KEY-----\n"],
    ["is damaged", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
  ] as const) {
    it(`names the file of authorities that ${what}`, async () => {
      const file = join(folder, "bad.pem");
      if (content !== undefined) writeFileSync(file, content);
      await assert.rejects(networkEnv({ proxy: { no: [] }, caCertificates: [file] }, folder), {
        code: "environment-invalid",
        message: /^caCertificates: .*bad\.pem: /,
      });
    });
  }
});
