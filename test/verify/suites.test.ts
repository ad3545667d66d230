import assert from "node:assert/strict";
import { SUITES, suiteNamed } from "../../verify/suites.ts";

describe("verification suites", () => {
  it("have checks with unique names, deadlines and something they prove", () => {
    for (const { checks } of SUITES) {
      assert.equal(new Set(checks.map(({ name }) => name)).size, checks.length);
      for (const check of checks) {
        assert.match(check.name, /^[a-z]+(-[a-z]+)*$/);
        assert.match(check.proves, /\.$/);
        assert.ok(check.timeoutMs >= 1_000);
      }
    }
  });

  it("wait for the boot's end before anything looks at what it leaves behind", () => {
    for (const { checks } of SUITES) {
      assert.equal(checks[0].name, "boots-by-firmware");
      assert.equal(checks[1]?.name, "no-failed-units");
    }
  });

  it("need two clones where uniqueness is shown, and one where it is not", () => {
    assert.equal(suiteNamed("boot").clones, 2);
    assert.equal(suiteNamed("node").clones, 1);
  });

  for (const name of ["nodes", "kubevirt", "Boot", ""]) {
    it(`do not have "${name}", and say what there is`, () => {
      assert.throws(() => suiteNamed(name), { code: "usage", hint: "Use --suite boot or --suite node." });
    });
  }
});
