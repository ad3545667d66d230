import assert from "node:assert/strict";
import { defineEnvironment } from "../../../src/core/environment.ts";
import { registriesConf } from "../../../src/images/registries-conf.ts";

const environment = defineEnvironment({
  registries: {
    "registry.k8s.io": [{ location: "mirror.example:5000/k8s" }, { location: "cache.example/k8s", insecure: true }],
    "docker.io/calico": [{ location: "mirror.example:5000/calico" }],
  },
});

describe("registries.conf of an environment", () => {
  it("has each place with its mirrors in order", () => {
    assert.equal(
      registriesConf(environment),
      `# Written by kvci-build from the environment's registries.

[[registry]]
prefix = "registry.k8s.io"
location = "registry.k8s.io"

[[registry.mirror]]
location = "mirror.example:5000/k8s"

[[registry.mirror]]
location = "cache.example/k8s"
insecure = true

[[registry]]
prefix = "docker.io/calico"
location = "docker.io/calico"

[[registry.mirror]]
location = "mirror.example:5000/calico"
`,
    );
  });

  it("has no insecure mirrors for tags, of which nothing could be checked", () => {
    const text = registriesConf(environment, "tag");
    assert.ok(text.includes("mirror.example:5000/k8s") && !text.includes("cache.example"));
  });
});
