import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { imagesTable, readPublished, writePublished } from "../../../src/publish/published-images.ts";
import type { PublishedImage } from "../../../src/publish/publisher.ts";

describe("published images", () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-published-"));
    path = join(folder, "published-images.json");
  });

  afterEach(() => rm(folder, { recursive: true }));

  it("are none where nothing was written", async () => {
    assert.deepEqual(await readPublished(path), []);
  });

  it("replace entries of the same release at the same target, and leave others alone", async () => {
    await writePublished(path, [image({ place: "us", id: "ami-1" }), image({ place: "eu", id: "ami-2" })]);
    await writePublished(path, [image({ target: "gcp", kind: "gcp", id: "img" })]);
    await writePublished(path, [image({ place: "eu", id: "ami-3", public: true })]);
    const found = (await readPublished(path)).map(({ target, place, id }) => [target, place, id]);
    assert.deepEqual(found, [
      ["aws", "eu", "ami-3"],
      ["gcp", "us", "img"],
    ]);
    assert.deepEqual(await readdir(folder), ["published-images.json"]);
  });

  it("are gone when they are no longer at a target that was asked for them", async () => {
    await writePublished(path, [image({ id: "ami-1" }), image({ id: "ami-2", target: "other" })]);
    const { version, arch, content } = image({});
    await writePublished(path, [], { targets: ["aws"], builds: [{ version, arch, content }] });
    assert.deepEqual(
      (await readPublished(path)).map(({ id }) => id),
      ["ami-2"],
    );
  });

  it("are refused when the file is something else", async () => {
    await writeFile(path, "{}");
    await assert.rejects(readPublished(path), { code: "build-invalid" });
  });

  it("make a page with the newest release first", () => {
    const page = imagesTable([image({ version: "1.9" }), image({ version: "1.10", public: true })]);
    assert.equal(
      page,
      `# Images

Made by \`kvci-build publish\`; do not edit.

## 1.10

| target | where | name | arch | image | who | since |
| --- | --- | --- | --- | --- | --- | --- |
| aws | us | node-1.0-amd64 | amd64 | \`ami-0\` | public | 2026-01-02 |

## 1.9

| target | where | name | arch | image | who | since |
| --- | --- | --- | --- | --- | --- | --- |
| aws | us | node-1.0-amd64 | amd64 | \`ami-0\` | private | 2026-01-02 |
`,
    );
  });
});

function image(given: Partial<PublishedImage>): PublishedImage {
  return {
    target: "aws",
    kind: "aws",
    owner: "123456789012",
    place: "us",
    id: "ami-0",
    name: "node-1.0-amd64",
    arch: "amd64",
    content: sha256("content"),
    attributes: sha256("attributes"),
    version: "1.0",
    public: false,
    createdAt: "2026-01-02T03:04:05Z",
    details: {},
    ...given,
  };
}
