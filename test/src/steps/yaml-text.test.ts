import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { yamlText, type YamlValue } from "../../../src/steps/yaml-text.ts";

const VALUES: readonly YamlValue[] = [
  {
    a: "plain",
    b: "10m0s",
    c: "true",
    d: "no",
    e: "",
    f: "::",
    g: "a: b",
    h: "- x",
    i: "#x",
    j: "line\nline",
    k: "10",
  },
  { list: ["a", { b: 1, c: [true, null, []] }, ["nested", "list"]], empty: {}, none: [] },
  { "odd key": 1, "node-ip": "::", y: "yes", "10": "ten" },
  ["top", { level: "list" }],
  "word",
];

describe("yamlText", () => {
  it("is read back as what it was made from, also by the rules of YAML 1.1", () => {
    for (const version of ["1.1", "1.2"] as const) {
      const documents = parseAllDocuments(yamlText(...VALUES), { version });
      assert.deepEqual(
        [...documents].map((document) => document.toJS() as unknown),
        VALUES,
      );
    }
  });

  it("gives every value a line of its own, in the order it was given", () => {
    assert.equal(yamlText({ kind: "A", list: [{ b: 1, a: 2 }] }), "kind: A\nlist:\n  - b: 1\n    a: 2\n");
  });
});
