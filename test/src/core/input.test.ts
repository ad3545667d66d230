import assert from "node:assert/strict";
import { z } from "zod";
import { checkInput, describeIssue, InputError, recordOf, type InputIssue } from "../../../src/core/input.ts";

const schema = recordOf({
  name: z.string(),
  size: z.enum(["small", "large"]).optional(),
  kind: z.literal("x").optional(),
});

function issuesOf(value: unknown): readonly InputIssue[] {
  try {
    checkInput(schema, value, { code: "usage", what: "thing", hint: "Do better." });
  } catch (error) {
    assert.ok(error instanceof InputError);
    assert.equal(error.hint, "Do better.");
    return error.issues;
  }
  return [];
}

describe("checked input", () => {
  it("comes back typed when it passes", () => {
    assert.deepEqual(issuesOf({ name: "a", size: "small" }), []);
  });

  const cases: readonly (readonly [unknown, string])[] = [
    [{ name: "a", siez: "small" }, 'unknown key "siez"; did you mean "size"?'],
    [{ name: "a", zzz: 1 }, 'unknown key "zzz"; known are name, size, kind'],
    [{}, "name: missing: a string is needed"],
    [{ name: 1 }, "name: expected string, received number"],
    [
      { name: "a", size: "smal" },
      'size: "smal" is not known here: one of small, large is needed; did you mean "small"?',
    ],
    [{ name: "a", size: 3 }, "size: a value of type number is not known here: one of small, large is needed"],
    [{ name: "a", kind: "y" }, 'kind: "y" is not known here: "x" is needed'],
    [undefined, "missing: an object is needed"],
  ];
  for (const [value, expected] of cases) {
    it(`says of ${JSON.stringify(value)}: ${expected}`, () => {
      assert.deepEqual(
        issuesOf(value).map((issue) => (issue.at === "key" ? issue.message : describeIssue(issue))),
        [expected],
      );
    });
  }

  it("lists several unknown keys one by one", () => {
    assert.deepEqual(
      issuesOf({ name: "a", "line\nbreak": 1, nmae: 2 }).map(({ path, at }) => [path, at]),
      [
        [["line\nbreak"], "key"],
        [["nmae"], "key"],
      ],
    );
  });

  it("is summed up in the error's message", () => {
    const error = new InputError(
      "usage",
      "thing",
      [
        { path: ["a", 0], message: "bad" },
        { path: [], message: "worse" },
      ],
      "hint",
    );
    assert.equal(error.message, "thing: a.0: bad; worse");
  });
});
