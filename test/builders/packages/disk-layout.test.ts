import assert from "node:assert/strict";
import { identifiersOf, rootPartition, rootStartMiB, sfdiskScript } from "../../../builders/packages/disk-layout.ts";

const ids = identifiersOf("0".repeat(64));
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("disk identifiers", () => {
  it("are valid UUIDs, all different, and the same for the same key", () => {
    const { espVolume, ...uuids } = ids;
    for (const uuid of Object.values(uuids)) assert.match(uuid, UUID);
    assert.match(espVolume, /^[0-9a-f]{8}$/);
    assert.equal(new Set(Object.values(ids)).size, 6);
    assert.deepEqual(identifiersOf("0".repeat(64)), ids);
    assert.notDeepEqual(identifiersOf("1".repeat(64)), ids);
  });
});

describe("partition table", () => {
  it("has an ESP and a root partition, aligned and adjacent, on machines with UEFI", () => {
    assert.equal(
      sfdiskScript("amd64", ids, 1000),
      [
        "label: gpt",
        `label-id: ${ids.disk}`,
        "unit: sectors",
        "",
        `start=2048, size=524288, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=${ids.esp}, name="esp"`,
        `start=526336, size=2048000, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=${ids.root}, name="root"`,
        "",
      ].join("\n"),
    );
    assert.equal(rootPartition("amd64"), 2);
  });

  it("gives root the type of its architecture", () => {
    assert.match(sfdiskScript("arm64", ids, 1000), /type=B921B045-1DF0-41C3-AF44-4C6F280D3FAE, .*name="root"/);
  });

  it("has only a root partition on s390x, at the first aligned sector", () => {
    const script = sfdiskScript("s390x", ids, 1000);
    assert.match(script, /\n\nstart=2048, size=2048000, type=5EEAD9A9-FE09-4A1E-A1D7-520D00531306, .*name="root"\n$/);
    assert.equal(rootPartition("s390x"), 1);
    assert.equal(rootStartMiB("s390x"), 1);
  });
});
