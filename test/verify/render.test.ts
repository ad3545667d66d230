import assert from "node:assert/strict";
import { renderResult } from "../../verify/render.ts";
import { RESULT } from "./result.ts";

describe("rendered result", () => {
  it("has a line per finding, evidence below what failed, and the sum", () => {
    assert.deepEqual(renderResult(RESULT).split("\n"), [
      "ok    boots-by-firmware    0.1 s  by uefi in 31.3 s",
      'FAIL  no-failed-units      1.5 s  verify-a: "a.service" <failed> & more',
      "      red ]]> bell",
      "      half \ufffd pair",
      "      tab\tand line",
      `${RESULT.digest.slice(7, 19)} fails 1 of 2 checks of suite boot on qemu in 61.5 s`,
      "",
    ]);
  });

  it("says so when everything passes", () => {
    const findings = RESULT.findings.slice(0, 1);
    assert.match(
      renderResult({ ...RESULT, ok: true, findings }),
      /passes all 1 checks of suite boot on qemu in 61\.5 s\n$/,
    );
  });

  it("keeps long evidence short", () => {
    const evidence = Array.from({ length: 20 }, (_, index) => `line ${String(index)}`);
    const findings = [{ check: "a", ok: false, detail: "bad", evidence, durationMs: 0 }];
    assert.match(renderResult({ ...RESULT, findings }), / line 11\n {6}and 8 more lines\n/);
  });
});
