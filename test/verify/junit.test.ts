import assert from "node:assert/strict";
import { renderJUnit } from "../../verify/junit.ts";
import { RESULT } from "./result.ts";

describe("JUnit report", () => {
  const xml = renderJUnit(RESULT);

  it("counts and times the suite", () => {
    assert.match(
      xml,
      /<testsuite name="boot on qemu" tests="2" failures="1" errors="0" skipped="0" time="61.500" timestamp="2026-01-02T03:04:05.000Z">/,
    );
  });

  it("names the digest that was tested", () => {
    assert.ok(xml.includes(`<property name="digest" value="${RESULT.digest}"/>`));
  });

  it("has a case per finding, a failure with evidence where it failed", () => {
    assert.match(xml, /<testcase classname="kvci-build.boot" name="boots-by-firmware" time="0.120">/);
    assert.match(xml, /<failure type="check" message="verify-a: &quot;a.service&quot; &lt;failed&gt; &amp; more">/);
    assert.ok(xml.includes("red ]]&gt; bell"));
  });

  it("holds nothing that XML cannot", () => {
    assert.doesNotMatch(xml, /[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/);
    assert.ok(xml.isWellFormed());
  });
});
