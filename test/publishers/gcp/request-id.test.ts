import assert from "node:assert/strict";
import { requestIdOf } from "../../../publishers/gcp/request-id.ts";

describe("request id", () => {
  it("is a UUID of version 5, the same for the same value", () => {
    const id = requestIdOf(["project", "insert-image", 1]);
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(requestIdOf(["project", "insert-image", 1]), id);
    assert.notEqual(requestIdOf(["project", "insert-image", 2]), id);
  });
});
