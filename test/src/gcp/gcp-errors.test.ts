import assert from "node:assert/strict";
import { gcpVerdict, googleError, operationError } from "../../../src/gcp/gcp-errors.ts";

function answered(
  status: number,
  reason: string,
  { message = "no", retryAfter }: { message?: string; retryAfter?: string } = {},
) {
  const body = { error: { code: status, message, errors: [{ reason, message }] } };
  const headers = new Headers(retryAfter === undefined ? {} : { "retry-after": retryAfter });
  return googleError({ status, headers, body }, JSON.stringify(body));
}

function codeFor(error: unknown): string {
  const verdict = gcpVerdict(error, "compute.images.create");
  return "error" in verdict ? `${verdict.kind} ${verdict.error.code}` : verdict.kind;
}

describe("errors of Google", () => {
  for (const [what, error, expected] of [
    ["429", answered(429, "rateLimitExceeded"), "throttled"],
    ["403 for too many calls", answered(403, "userRateLimitExceeded"), "throttled"],
    ["503", answered(503, "backendError"), "again"],
    ["408", answered(408, "timeout"), "again"],
    ["a broken connection", new TypeError("fetch failed", { cause: new Error("other side closed") }), "again"],
    ["a deadline of one attempt", new DOMException("The operation timed out", "TimeoutError"), "again"],
    ["401", answered(401, "authError"), "renew publish-denied"],
    ["403", answered(403, "forbidden"), "final publish-denied"],
    ["403 for a quota", answered(403, "quotaExceeded"), "final publish-quota"],
    ["409", answered(409, "alreadyExists"), "final publish-conflict"],
    ["412", answered(412, "conditionNotMet"), "final publish-conflict"],
    [
      "412 for a policy",
      answered(412, "conditionNotMet", { message: "One or more users do not belong to a permitted customer." }),
      "final publish-blocked",
    ],
    ["400 for what nobody knows", answered(400, "somethingNew"), "final publish-failed"],
    ["a defect", new RangeError("oops"), "final publish-failed"],
  ] as const) {
    it(`take ${what} for ${expected}`, () => assert.equal(codeFor(error), expected));
  }

  it("wait for as long as the server asks", () => {
    const verdict = gcpVerdict(answered(429, "rateLimitExceeded", { retryAfter: "60" }), "x");
    assert.deepEqual(verdict, { kind: "throttled", afterMs: 60_000 });
    assert.deepEqual(gcpVerdict(answered(503, "backendError", { retryAfter: "7" }), "x"), {
      kind: "throttled",
      afterMs: 7_000,
    });
  });

  it("name the permission that is missing", () => {
    const verdict = gcpVerdict(answered(403, "forbidden"), "compute.images.create");
    assert.ok(verdict.kind === "final");
    assert.match(verdict.error.hint, /--permissions=compute\.images\.create$/);
  });

  it("of operations are told by their codes", () => {
    const code = (of: string, message = "x") =>
      operationError({ code: of, message, status: 400 }, "compute.images.create").code;
    assert.equal(code("QUOTA_EXCEEDED"), "publish-quota");
    assert.equal(code("RESOURCE_ALREADY_EXISTS"), "publish-conflict");
    assert.equal(code("ANYTHING", "violates constraints/compute.storageResourceUseRestrictions"), "publish-blocked");
    assert.equal(code("ANYTHING"), "publish-failed");
  });
});
