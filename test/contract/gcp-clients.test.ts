import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { GlobalOperationsClient, ImagesClient } from "@google-cloud/compute";
import { Storage, type File } from "@google-cloud/storage";
import { OAuth2Client } from "google-auth-library";
import { gzipSync } from "node:zlib";
import { sparseHeader, sparseTrailer } from "../../publishers/gcp/sparse-tar.ts";
import { startGcp, type GcpCounterpart } from "../counterparts/gcp/start-gcp.ts";

const UNIT = 64 * 1024;

/** In two calls: the one that does both (storage 8.4) forgets who it is at any other address than Google's. */
async function saved(
  file: File,
  data: Buffer,
  preconditionOpts: { readonly ifGenerationMatch: number },
): Promise<void> {
  const [uri] = await file.createResumableUpload({ preconditionOpts });
  await file.save(data, { uri, resumable: true, chunkSize: 256 * 1024, validation: "crc32c", preconditionOpts });
}

/** What the publisher is tested with is what Google's own clients take for Google. */
describe("counterpart of Google Cloud and Google's own clients", () => {
  let gcp: GcpCounterpart;
  let auth: OAuth2Client;

  before(async () => {
    gcp = await startGcp();
    const form = new URLSearchParams({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: "workload",
    });
    const { access_token: token } = gcp.identity.exchange(form) as { access_token: string };
    auth = new OAuth2Client();
    auth.setCredentials({ access_token: token, expiry_date: Date.now() + 3_600_000 });
  });
  after(() => gcp.close());

  it("agree on a resumable upload, an image made from it, its family and its end", async function () {
    this.timeout(120_000);
    const data = randomBytes(UNIT);
    const header = sparseHeader("disk.raw", [{ offset: UNIT, bytes: UNIT }], 2 ** 30);
    const archive = gzipSync(Buffer.concat([header, data, sparseTrailer(header.length, UNIT)]), { level: 0 });
    const storage = new Storage({
      apiEndpoint: gcp.endpoint,
      projectId: "kvci-project",
      authClient: auth,
      useAuthWithCustomEndpoint: true,
    });
    const file = storage.bucket("kvci-bucket").file("theirs.tar.gz");
    gcp.faults.add({ kind: "half-chunk", call: "storage.sessions.put" });
    // Their own check of CRC-32C has to agree with what the counterpart computed.
    await saved(file, archive, { ifGenerationMatch: 0 });
    const [downloaded] = await file.download();
    assert.ok(downloaded.equals(archive));

    const { port } = new URL(gcp.endpoint);
    const { ImagesClient: Images, GlobalOperationsClient: Operations } = (await import("@google-cloud/compute")).v1;
    const options = {
      apiEndpoint: "127.0.0.1",
      port: Number(port),
      protocol: "http",
      projectId: "kvci-project",
      authClient: auth,
    };
    const images: ImagesClient = new Images(options);
    const operations: GlobalOperationsClient = new Operations(options);
    const rawDisk = { source: "https://storage.googleapis.com/kvci-bucket/theirs.tar.gz", containerType: "TAR" };
    const project = "kvci-project";
    const [insert] = await images.insert({
      project,
      imageResource: { name: "theirs", family: "theirs", architecture: "X86_64", rawDisk, labels: { a: "b" } },
    });
    const [done] = await operations.wait({ project, operation: insert.latestResponse.name });
    assert.equal(done.status, "DONE");
    const [image] = await images.getFromFamily({ project, family: "theirs" });
    assert.deepEqual([image.name, image.status, String(image.diskSizeGb)], ["theirs", "READY", "1"]);
    await images.setIamPolicy({
      project,
      resource: "theirs",
      globalSetPolicyRequestResource: {
        policy: { bindings: [{ role: "roles/compute.imageUser", members: ["allAuthenticatedUsers"] }] },
      },
    });
    const [policy] = await images.getIamPolicy({ project, resource: "theirs" });
    assert.deepEqual(policy.bindings?.[0]?.members, ["allAuthenticatedUsers"]);
    await images.deprecate({ project, image: "theirs", deprecationStatusResource: { state: "DEPRECATED" } });
    await assert.rejects(images.getFromFamily({ project, family: "theirs" }));
    await images.delete({ project, image: "theirs" });
    assert.equal(gcp.state.images.size, 0);
    assert.deepEqual(gcp.violations, []);
  });

  it("disagree with a tarball that Compute Engine would not take", async () => {
    const bucket = new Storage({
      apiEndpoint: gcp.endpoint,
      projectId: "p",
      authClient: auth,
      useAuthWithCustomEndpoint: true,
    }).bucket("kvci-bucket");
    const odd = sparseHeader("disk.raw", [{ offset: 0, bytes: UNIT }], 2 ** 30 + UNIT);
    const archive = gzipSync(Buffer.concat([odd, Buffer.alloc(UNIT, 1), sparseTrailer(odd.length, UNIT)]));
    await saved(bucket.file("odd.tar.gz"), archive, { ifGenerationMatch: 0 });
    const [name] = [...gcp.bucket("kvci-bucket").objects.keys()].filter((each) => each === "odd.tar.gz");
    assert.equal(name, "odd.tar.gz");
    const headers = { ...Object.fromEntries(await auth.getRequestHeaders()), "content-type": "application/json" };
    const post = async (path: string, body?: object): Promise<Record<string, unknown>> => {
      const response = await fetch(`${gcp.endpoint}/compute/v1/projects/kvci-project/global/${path}`, {
        method: "POST",
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return (await response.json()) as Record<string, unknown>;
    };
    const rawDisk = { source: "https://storage.googleapis.com/kvci-bucket/odd.tar.gz", containerType: "TAR" };
    const { name: operation } = await post("images", { name: "odd", rawDisk });
    const ended = await post(`operations/${String(operation)}/wait`);
    assert.match(JSON.stringify(ended["error"]), /no multiple of 1 GB/);
    assert.equal(gcp.state.images.size, 0);
    // And with a request that has a field which the API does not have.
    const refused = await post("images", { name: "odd", rawDisk, diskSize: 1 });
    assert.match(JSON.stringify(refused), /unknown field diskSize/);
    assert.equal(gcp.violations.length, 1);
  });
});
