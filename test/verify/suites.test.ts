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
    const [first, second] = suiteNamed("boot").checks;
    assert.equal(first.name, "boots-by-firmware");
    assert.equal(second?.name, "no-failed-units");
  });

  it("need two clones where uniqueness is shown", () => {
    assert.equal(suiteNamed("boot").clones, 2);
  });

  for (const name of ["node", "kubevirt", "Boot", ""]) {
    it(`do not have "${name}", and say what there is`, () => {
      assert.throws(() => suiteNamed(name), { code: "usage", hint: "Use --suite boot." });
    });
  }
});
