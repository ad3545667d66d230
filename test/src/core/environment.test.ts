import assert from "node:assert/strict";
import fc from "fast-check";
import { defineEnvironment, type EnvironmentInput } from "../../../src/core/environment.ts";
import { InputError } from "../../../src/core/input.ts";
import { anything } from "./arbitraries.ts";

describe("environment", () => {
  it("needs to say nothing", () => {
    assert.deepEqual(defineEnvironment({}), {
      mirrors: {},
      packageMirrors: {},
      registries: {},
      network: "direct",
      proxy: { no: [] },
      caCertificates: [],
      store: {},
      locked: false,
      warmStatesGiB: 4,
      publishTo: [],
      credentials: {},
    });
  });

  it("names credentials, and refuses what looks like a value", () => {
    assert.deepEqual(defineEnvironment({ credentials: { quay: "env:QUAY_TOKEN" } }).credentials, {
      quay: "env:QUAY_TOKEN",
    });
    for (const value of ["hunter2", "env:", "env:a b", "$QUAY_TOKEN"]) {
      assert.throws(() => defineEnvironment({ credentials: { quay: value } }), { code: "environment-invalid" });
    }
  });

  it("refuses unknown keys, distributions and mirrors that are no URLs", () => {
    const input = {
      mirors: {},
      packageMirrors: { debain: "https://m.example" },
      mirrors: { "https://a.example": ["m"] },
    };
    assert.throws(
      () => defineEnvironment(input as EnvironmentInput),
      (error) => {
        assert.ok(error instanceof InputError);
        assert.deepEqual(error.issues.map(({ path }) => path[0]).sort(), ["mirors", "mirrors", "packageMirrors"]);
        return true;
      },
    );
  });

  it("throws nothing but an InputError, whatever it is given", () => {
    fc.assert(
      fc.property(anything, (value) => {
        try {
          defineEnvironment(value as EnvironmentInput);
        } catch (error) {
          assert.ok(error instanceof InputError, String(error));
        }
      }),
      { numRuns: 200 },
    );
  });
});
