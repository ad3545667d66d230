import assert from "node:assert/strict";
import { KvciError, type ErrorCode } from "../../../src/core/error.ts";
import { registryError } from "../../../src/images/registry-error.ts";

const IMAGE = "registry.example/name:1.0";

/** What runProgram throws when skopeo ended like that. */
function skopeoSaid(...lines: readonly string[]): KvciError {
  return new KvciError("program-failed", "skopeo exited 1", { hint: "The command was: skopeo", evidence: lines });
}

function fatal(message: string): string {
  return `time="2026-11-21T12:00:00Z" level=fatal msg="${message}"`;
}

/** Words of skopeo 1.9 and 1.18. */
const WORDS: readonly (readonly [ErrorCode, string])[] = [
  ["image-missing", "reading manifest 2.0 in registry.example/name: manifest unknown: manifest unknown"],
  [
    "image-missing",
    "reading manifest 1.0 in registry.example/none: name unknown: repository name not known to registry",
  ],
  ["image-missing", "reading manifest 1.0 in registry.example/name: StatusCode: 404, <html>"],
  ["image-missing", "fetching blob: StatusCode: 404, "],
  ["registry-denied", "reading manifest 1.0 in registry.example/name: unauthorized: authentication required"],
  ["registry-denied", "unable to retrieve auth token: invalid username/password: unauthorized: incorrect"],
  ["registry-denied", "reading manifest 1.0 in registry.example/name: requested access to the resource is denied"],
  ["registry-denied", "reading manifest 1.0 in registry.example/name: StatusCode: 403, "],
  [
    "registry-failed",
    "reading manifest 1.0 in registry.example/name: toomanyrequests: You have reached your pull rate limit",
  ],
  ["registry-failed", "too many requests to registry"],
  ["registry-failed", "received unexpected HTTP status: 503 Service Unavailable"],
  [
    "registry-failed",
    'pinging container registry registry.example: Get \\"https://registry.example/v2/\\": x509: certificate signed by unknown authority',
  ],
  ["registry-failed", "pinging container registry localhost:1: dial tcp 127.0.0.1:1: connect: connection refused"],
  ["registry-failed", "pinging container registry nowhere.example: lookup nowhere.example: no such host"],
  ["digest-mismatch", "writing blob: Digest did not match, expected sha256:aa, got sha256:bb"],
];

describe("failure of skopeo", () => {
  for (const [code, words] of WORDS) {
    it(`is ${code} when it says "${words.slice(0, 70)}"`, () => {
      const error = registryError(IMAGE, skopeoSaid("Getting image source signatures", fatal(words)));
      assert.ok(error instanceof KvciError);
      assert.equal(error.code, code);
      assert.ok(error.message.startsWith(`${IMAGE}: `), error.message);
      assert.equal(error.evidence.at(-1), words.replaceAll('\\"', '"'));
    });
  }

  it("is passed on where it says more of this host", () => {
    for (const code of ["interrupted", "program-missing", "store-full"] as const) {
      const error = new KvciError(code, "as it is", { hint: "do" });
      assert.equal(registryError(IMAGE, error), error);
    }
  });
});
