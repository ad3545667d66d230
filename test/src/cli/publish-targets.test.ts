import assert from "node:assert/strict";
import { isBooted } from "../../../src/cli/cloud-smoke.ts";
import { pricesOf, targetsNamed } from "../../../src/cli/publish-targets.ts";
import { defineEnvironment } from "../../../src/core/environment.ts";
import { targetSchema, type TargetInput } from "../../../src/core/target.ts";

const REGISTRY = { kind: "registry", repository: "registry.example/node" } as const;
const QUAY = { kind: "registry", repository: "quay.io/org/{template}" } as const;
const AWS = { kind: "aws", prices: { asOf: "2026-11-01", usd: { requests: 0.000006 } } } as const;

describe("targets of an environment", () => {
  const environment = defineEnvironment({ publishTo: [REGISTRY, QUAY, AWS, { ...AWS, region: "eu-west-1" }] });
  const named = (...wanted: readonly string[]) => targetsNamed(environment, wanted).map(({ name }) => name);

  it("are all meant when none is named, each under a name of its own", () => {
    assert.deepEqual(named(), ["registry", "quay", "aws", "aws-2"]);
  });

  it("are named by name or by kind", () => {
    assert.deepEqual(named("aws-2", "quay"), ["quay", "aws-2"]);
    assert.deepEqual(named("registry"), ["registry", "quay"]);
  });

  it("are suggested to who misspells one", () => {
    assert.throws(() => named("quey"), {
      code: "usage",
      message: 'the environment has no target "quey"; did you mean "quay"?',
    });
  });

  it("are missed where there is none", () => {
    assert.throws(() => targetsNamed(defineEnvironment({}), []), { code: "environment-invalid" });
  });

  it("have prices of their own, with their date", () => {
    const prices = pricesOf(targetsNamed(environment, []));
    assert.deepEqual([...prices.keys()], ["aws", "aws-2"]);
    assert.equal(prices.get("aws")?.asOf, "2026-11-01");
    const misspelt = { ...AWS, prices: { asOf: "2026-11-01", usd: { request: 1 } } };
    assert.throws(() => defineEnvironment({ publishTo: [misspelt as never] }), {
      code: "environment-invalid",
      message: /unknown key "request"; did you mean "requests"\?/,
    });
  });

  it("have images booted where others get to see them, unless somebody says otherwise", () => {
    const booted = (input: TargetInput, wanted?: boolean) => isBooted(targetSchema.parse(input), wanted);
    const gcp = { kind: "gcp", project: "kvci-project", bucket: "kvci-bucket", public: true } as const;
    assert.equal(booted({ kind: "aws" }), false);
    assert.equal(booted({ kind: "aws" }, true), true);
    assert.equal(booted({ kind: "aws", public: true }), true);
    assert.equal(booted({ kind: "aws", accounts: ["210987654321"] }), true);
    assert.equal(booted({ kind: "aws", public: true }, false), false);
    assert.equal(booted(gcp), false);
    assert.throws(() => booted(gcp, true), { code: "environment-invalid", message: /names no zone/ });
    assert.equal(booted({ ...gcp, smokeZone: "us-central1-b" }), true);
    assert.equal(booted({ ...QUAY }, true), false);
  });
});
