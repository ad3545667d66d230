import assert from "node:assert/strict";
import { ERRORS, KvciError, messageOf } from "../../../src/core/error.ts";

describe("error table", () => {
  it("has exit statuses of the documented classes only", () => {
    const statuses = new Set(Object.values(ERRORS).map(({ exit }) => exit));
    // 2 is for a plan with changes pending, which is no error; 0 is never one.
    for (const status of statuses) {
      assert.ok([1, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 130].includes(status), String(status));
    }
  });

  it("has lower-case codes with dashes, and a title for each", () => {
    for (const [code, { title }] of Object.entries(ERRORS)) {
      assert.match(code, /^[a-z]+(?:-[a-z]+)*$/);
      assert.match(title, /^[a-zQKCO].{8,}[^.]$/, code);
    }
  });

  it("has no title twice", () => {
    const titles = Object.values(ERRORS).map(({ title }) => title);
    assert.equal(new Set(titles).size, titles.length);
  });
});

describe("KvciError", () => {
  it("carries code, hint, evidence and cause", () => {
    const cause = new TypeError("why");
    const error = new KvciError("usage", "what", { hint: "how", evidence: ["line"], cause });
    assert.deepEqual(
      [error.name, error.code, error.message, error.hint, error.evidence, error.cause],
      ["KvciError", "usage", "what", "how", ["line"], cause],
    );
    assert.ok(error instanceof Error);
  });

  it("has no cause and no evidence unless given", () => {
    const error = new KvciError("usage", "what", { hint: "how" });
    assert.equal("cause" in error, false);
    assert.deepEqual(error.evidence, []);
  });
});

describe("messageOf", () => {
  it("is the text of anything thrown", () => {
    assert.deepEqual([new Error("a"), "b", 3, undefined].map(messageOf), ["a", "b", "3", "undefined"]);
  });
});
