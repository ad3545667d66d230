import assert from "node:assert/strict";
import { serviceUrl } from "../../../src/gcp/gcp-api.ts";

describe("addresses of Google Cloud", () => {
  it("are Google's own", () => {
    assert.equal(serviceUrl("compute", {}), "https://compute.googleapis.com/compute/v1/");
    assert.equal(serviceUrl("upload", {}), "https://storage.googleapis.com/upload/storage/v1/");
  });

  it("are those that gcloud is told, too", () => {
    const env = {
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: "http://127.0.0.1:1/compute/v1",
      CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: "http://127.0.0.1:1/storage/v1/",
    };
    assert.equal(serviceUrl("compute", env), "http://127.0.0.1:1/compute/v1/");
    assert.equal(serviceUrl("upload", env), "http://127.0.0.1:1/upload/storage/v1/");
  });
});
