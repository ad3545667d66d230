import assert from "node:assert/strict";
import { awsVerdict, minimalPolicy, type AwsVerdict } from "../../../src/aws/aws-errors.ts";

const call = { action: "ec2:RegisterImage", region: "eu-west-1" };

function failure(name: string, given: { status?: number; message?: string; after?: string } = {}): Error {
  return Object.assign(new Error(given.message ?? `${name} happened`), {
    name,
    $metadata: { httpStatusCode: given.status, requestId: "r-1" },
    ...(given.after === undefined ? {} : { $response: { headers: { "retry-after": given.after } } }),
  });
}

describe("AWS error", () => {
  const cases: readonly [Error, AwsVerdict["kind"], string?][] = [
    [failure("RequestLimitExceeded", { status: 503 }), "throttled"],
    [failure("Whatever", { status: 429 }), "throttled"],
    [failure("InternalError", { status: 500 }), "again"],
    [Object.assign(new Error("read"), { code: "ECONNRESET" }), "again"],
    [failure("InvalidAMIID.NotFound", { status: 400 }), "absent"],
    [failure("ExpiredToken", { status: 400 }), "final", "publish-denied"],
    [failure("UnauthorizedOperation", { status: 403 }), "final", "publish-denied"],
    [failure("OperationNotPermitted", { status: 400 }), "final", "publish-blocked"],
    [failure("ResourceLimitExceeded", { status: 400 }), "final", "publish-quota"],
    [failure("ResourceLimitExceeded", { status: 400, message: "too many concurrent copies" }), "throttled"],
    [Object.assign(failure("ValidationException", { status: 400 }), { Reason: "WRITE_REQUEST_TIMEOUT" }), "again"],
    [failure("InvalidAMIName.Duplicate", { status: 400 }), "final", "publish-conflict"],
    [failure("NobodyKnowsThis", { status: 400 }), "final", "publish-failed"],
  ];
  for (const [error, kind, code] of cases) {
    it(`${error.name} (${error.message}) is ${kind}${code === undefined ? "" : `, ${code}`}`, () => {
      const verdict = awsVerdict(error, call);
      assert.equal(verdict.kind, kind);
      assert.equal(verdict.kind === "final" ? verdict.error.code : undefined, code);
    });
  }

  it("waits as long as the service asks", () => {
    assert.deepEqual(awsVerdict(failure("SlowDown", { status: 503, after: "60" }), call), {
      kind: "throttled",
      afterMs: 60_000,
    });
  });

  it("names the action and the policy that allows it, and the request", () => {
    const verdict = awsVerdict(failure("UnauthorizedOperation", { status: 403 }), call);
    assert.ok(verdict.kind === "final");
    assert.equal(verdict.error.hint, `Allow it: ${minimalPolicy(["ec2:RegisterImage"])}`);
    assert.deepEqual(verdict.error.evidence, [
      "UnauthorizedOperation (HTTP 403): UnauthorizedOperation happened",
      "request id r-1",
    ]);
  });
});
