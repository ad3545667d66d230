import assert from "node:assert/strict";
import { KvciError } from "../../../src/core/error.ts";
import { writeError } from "../../../src/oci/write-error.ts";

const failed = (code: string): Error => Object.assign(new TypeError(code), { code });

describe("write errors", () => {
  for (const [errno, code] of [
    ["ENOSPC", "store-full"],
    ["EDQUOT", "store-full"],
    ["EACCES", "store-unusable"],
    ["EROFS", "store-unusable"],
  ] as const) {
    it(`turn ${errno} into ${code}`, () => {
      const error = writeError(failed(errno), "/out/image");
      assert.equal(error.code, code);
      assert.match(error.message, /\/out\/image/);
    });
  }

  it("leave errors of ours alone", () => {
    const error = new KvciError("interrupted", "stopped", { hint: "Again." });
    assert.equal(writeError(error, "/x"), error);
  });
});
