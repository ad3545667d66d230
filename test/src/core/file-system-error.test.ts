import assert from "node:assert/strict";
import { KvciError } from "../../../src/core/error.ts";
import { fileSystemError, writeError } from "../../../src/core/file-system-error.ts";

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

describe("file system errors", () => {
  const failing = (code: string) => Object.assign(new Error(`${code}: something`), { code });

  it("say what is wrong and where", () => {
    const full = fileSystemError(failing("ENOSPC"), "/store");
    assert.deepEqual(
      { ...(full as object), cause: undefined },
      { ...(full as object), code: "store-full", cause: undefined },
    );
    assert.match(String(full), /\/store: no space is left/);
    assert.match(String(fileSystemError(failing("EROFS"), "/store")), /read-only/);
  });

  it("are passed on as they are when they mean nothing to a user", () => {
    const error = failing("EBADF");
    assert.equal(fileSystemError(error, "/store"), error);
  });
});
