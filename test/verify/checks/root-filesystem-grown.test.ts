import assert from "node:assert/strict";
import { rootFilesystemGrown } from "../../../verify/checks/root-filesystem-grown.ts";
import { findingOf } from "../fake-clone.ts";

const MIB = 1024 ** 2;

function answer(sizes: { readonly root: number; readonly disk: number; readonly parts: readonly number[] }): string {
  const device = (names: string, mib: number): string => `${names} SIZE="${String(mib * MIB)}"`;
  return [
    `root: ${String(sizes.root * MIB)}`,
    device('NAME="vda" PKNAME="" TYPE="disk"', sizes.disk),
    ...sizes.parts.map((mib, index) => device(`NAME="vda${String(index + 1)}" PKNAME="vda" TYPE="part"`, mib)),
    device('NAME="vdb" PKNAME="" TYPE="disk"', 1),
    "",
  ].join("\n");
}

describe("root-filesystem-grown check", () => {
  it("passes a root that fills the disk beside an ESP", async () => {
    const good = answer({ root: 9_600, disk: 10_240, parts: [256, 9_980] });
    assert.equal((await findingOf(rootFilesystemGrown, [good, good])).ok, true);
  });

  it("passes a filesystem on the whole disk", async () => {
    assert.equal((await findingOf(rootFilesystemGrown, [answer({ root: 9_700, disk: 10_240, parts: [] })])).ok, true);
  });

  for (const [sizes, detail] of [
    [{ root: 1_900, disk: 10_240, parts: [256, 1_980] }, "8004 MiB of 10240 MiB are in no partition"],
    [
      { root: 1_900, disk: 10_240, parts: [256, 9_980] },
      "the root filesystem has 1900 MiB of the 9980 MiB it could have",
    ],
    [{ root: 1_900, disk: 2_048, parts: [256, 1_790] }, "there is no disk of 10240 MiB"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(rootFilesystemGrown, [answer(sizes)]);
      assert.equal(finding.ok, false);
      assert.equal(finding.detail, `verify-a: ${detail}`);
    });
  }

  it("fails without an answer", async () => {
    assert.equal((await findingOf(rootFilesystemGrown, [""])).ok, false);
  });
});
