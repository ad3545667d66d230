import assert from "node:assert/strict";
import { redactUrl } from "../../../src/journal/redact-url.ts";

describe("redacted URL", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["https://example.org/a?b=c#d", "https://example.org/a?b=c#d"],
    ["https://me:pw@example.org/a", "https://***@example.org/a"],
    ["https://token@example.org/a", "https://***@example.org/a"],
    ["https://me:p@w@example.org/a@b", "https://***@example.org/a@b"],
    [
      "https://s3.example.org/k?X-Amz-Credential=A&X-Amz-Signature=B&x=1",
      "https://s3.example.org/k?X-Amz-Credential=***&X-Amz-Signature=***&x=1",
    ],
    ["get 'https://a:b@c/d' and http://e:f@g/h", "get 'https://***@c/d' and http://***@g/h"],
    ["mail me@example.org", "mail me@example.org"],
  ];
  for (const [url, shown] of cases) {
    it(`is ${shown}`, () => {
      assert.equal(redactUrl(url), shown);
    });
  }
});
