import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { renderJUnit } from "../../verify/junit.ts";
import { RESULT } from "../verify/result.ts";

/** Reads documents separated by NUL with a real XML reader and prints what it found in each, one JSON line per document. */
const READER = `
import json, sys
from xml.dom import minidom
for document in sys.stdin.buffer.read().split(b"\\0"):
    suite = minidom.parseString(document).getElementsByTagName("testsuite")[0]
    cases = suite.getElementsByTagName("testcase")
    failures = suite.getElementsByTagName("failure")
    print(json.dumps({
        "counts": [int(suite.getAttribute("tests")), int(suite.getAttribute("failures"))],
        "cases": [case.getAttribute("name") for case in cases],
        "messages": [failure.getAttribute("message") for failure in failures],
        "texts": ["".join(node.data for node in failure.childNodes) for failure in failures],
    }))
`;

interface Report {
  readonly counts: readonly number[];
  readonly cases: readonly string[];
  readonly messages: readonly string[];
  readonly texts: readonly string[];
}

function read(documents: readonly string[]): Report[] {
  const text = execFileSync("python3", ["-c", READER], { input: documents.join("\0"), encoding: "utf8" });
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Report);
}

describe("JUnit report, read by an XML parser", () => {
  it("says what the result says", () => {
    assert.deepEqual(read([renderJUnit(RESULT)]), [
      {
        counts: [2, 1],
        cases: ["boots-by-firmware", "no-failed-units"],
        messages: ['verify-a: "a.service" <failed> & more'],
        texts: ['verify-a: "a.service" <failed> & more\nred ]]> bell\nhalf \ufffd pair\ntab\tand\nline'],
      },
    ]);
  });

  it("is well-formed whatever a guest prints", () => {
    const finding = fc.record({
      check: fc.constant("a"),
      ok: fc.constant(false),
      detail: fc.string({ unit: "binary", minLength: 1 }),
      evidence: fc.array(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string({ unit: fc.constantFrom("\ud800", "\udc00", "\u001b", "]]>", "&", "<!--", '"') }),
        ),
      ),
      durationMs: fc.nat(),
    });
    const results = fc.sample(fc.array(finding, { minLength: 1, maxLength: 4 }), 200);
    const reports = read(results.map((findings) => renderJUnit({ ...RESULT, findings })));
    assert.deepEqual(
      reports.map(({ cases }) => cases.length),
      results.map((findings) => findings.length),
    );
  });
});
