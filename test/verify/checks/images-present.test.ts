import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import { imagesPresent } from "../../../verify/checks/images-present.ts";
import { OUTPUT_LIMIT_BYTES } from "../../../verify/survey.ts";
import { findingOf } from "../fake-clone.ts";

const [INDEX, MANIFEST, OTHER] = [sha256("index"), sha256("manifest"), sha256("other")];
const PAUSE = { ref: "registry.example.org/pause:3.10", digest: INDEX, manifest: MANIFEST };
const images = { runtime: "containerd", list: [PAUSE] } as const;

const crictl = (...list: readonly { readonly repoTags?: string[] | null; readonly repoDigests?: string[] }[]): string =>
  `crictl: ${JSON.stringify({ images: list.map((image) => ({ id: OTHER, ...image })) })}\n`;

describe("images-present check", () => {
  for (const digest of [INDEX, MANIFEST]) {
    it(`passes an image that is listed by name and as ${digest === INDEX ? "the index" : "the platform's manifest"}`, async () => {
      const answer = crictl({ repoTags: [PAUSE.ref], repoDigests: [`registry.example.org/pause@${digest}`] });
      const finding = await findingOf(imagesPresent, [answer], { images });
      assert.deepEqual([finding.ok, finding.detail], [true, "all 1, by digest"]);
    });
  }

  it("takes containerd's own digest where crictl has none", async () => {
    const answer = `${crictl({ repoTags: [PAUSE.ref] })}ctr: ${PAUSE.ref} ${INDEX}\n`;
    assert.equal((await findingOf(imagesPresent, [answer], { images })).ok, true);
  });

  it("takes ctr's list where crictl is not there", async () => {
    assert.equal((await findingOf(imagesPresent, [`ctr: ${PAUSE.ref} ${MANIFEST}\n`], { images })).ok, true);
    const finding = await findingOf(imagesPresent, [`ctr: ${PAUSE.ref} ${OTHER}\n`], { images });
    assert.equal(finding.detail, `verify-a: ${PAUSE.ref} has ${OTHER}, not ${INDEX}`);
  });

  it("finds an image that is asked for by digest, whatever tag stands beside it", async () => {
    const ref = `registry.example.org/multus:v3@${INDEX}`;
    const answer = crictl({ repoTags: null, repoDigests: [`registry.example.org/multus@${INDEX}`] });
    const wanted = { runtime: "cri-o", list: [{ ref, digest: INDEX, manifest: MANIFEST }] } as const;
    assert.equal((await findingOf(imagesPresent, [answer], { images: wanted })).ok, true);
  });

  for (const [answer, detail] of [
    [crictl(), `${PAUSE.ref} is missing`],
    // What kubelet does not see is not there, whoever else sees it.
    [`${crictl()}ctr: ${PAUSE.ref} ${INDEX}\n`, `${PAUSE.ref} is missing`],
    [
      crictl({ repoTags: ["registry.example.org/pause:3.9"], repoDigests: [`registry.example.org/pause@${INDEX}`] }),
      `${PAUSE.ref} is missing`,
    ],
    [crictl({ repoTags: [PAUSE.ref] }), `${PAUSE.ref} has no digest, not ${INDEX}`],
    [
      crictl({ repoTags: [PAUSE.ref], repoDigests: [`registry.example.org/pause@${OTHER}`] }),
      `${PAUSE.ref} has ${OTHER}, not ${INDEX}`,
    ],
    [
      crictl({ repoTags: [PAUSE.ref], repoDigests: [`registry.example.org/elsewhere@${INDEX}`] }),
      `${PAUSE.ref} has no digest, not ${INDEX}`,
    ],
    ["silent: FATA[0000] connection refused\n", "crictl does not list images: FATA[0000] connection refused"],
    ["crictl: {]\n", "crictl's list of images cannot be read"],
    ["", `${PAUSE.ref} is missing`],
  ] as const) {
    it(`fails: ${detail.replaceAll(/sha256:(.{4})\w+/g, "sha256:$1…")} for ${answer.slice(0, 40).trim()}`, async () => {
      const finding = await findingOf(imagesPresent, [answer], { images });
      assert.deepEqual([finding.ok, finding.detail], [false, `verify-a: ${detail}`]);
    });
  }

  it("judges a list that is longer than other answers", async () => {
    const list = Array.from({ length: 100 }, (_, index) => ({
      ...PAUSE,
      ref: `registry.example.org/a${String(index)}:v1`,
    }));
    const answer = crictl(
      ...list.map(({ ref }) => ({ repoTags: [ref], repoDigests: [`${ref.replace(":v1", "")}@${INDEX}`] })),
    );
    assert.ok(answer.length > OUTPUT_LIMIT_BYTES);
    const finding = await findingOf(imagesPresent, [answer], { images: { ...images, list } });
    assert.deepEqual([finding.ok, finding.detail], [true, "all 100, by digest"]);
  });

  it("has nothing to look for when the build put no images in", async () => {
    assert.equal((await findingOf(imagesPresent, [crictl()])).detail, "the build put none in");
  });
});
