import assert from "node:assert/strict";
import { distributionRepositories, dnfPlaces } from "../../../src/core/distribution-repositories.ts";
import { centos, debian, fedora, fedoraZ } from "../steps/golden.ts";

/** One line for every place and suite. */
function places(platform: typeof debian): string[] {
  return distributionRepositories(platform).flatMap((each) =>
    "apt" in each
      ? each.apt.uris.flatMap((uri) => each.apt.suites.map((suite) => `${uri} ${suite}`))
      : [`${each.name} ${each.dnf.baseUrl}`],
  );
}

describe("repositories of a distribution", () => {
  it("are where its own systems look for packages", () => {
    assert.deepEqual(places(debian), [
      "http://deb.debian.org/debian bookworm",
      "http://deb.debian.org/debian bookworm-updates",
      "http://security.debian.org/debian-security bookworm-security",
    ]);
    assert.deepEqual(places({ ...debian, distribution: "ubuntu", release: "24.04", arch: "arm64" }), [
      "http://ports.ubuntu.com/ubuntu-ports noble",
      "http://ports.ubuntu.com/ubuntu-ports noble-updates",
      "http://ports.ubuntu.com/ubuntu-ports noble-security",
    ]);
    assert.deepEqual(
      distributionRepositories(centos).map(({ name }) => name),
      ["baseos", "appstream", "extras-common"],
    );
    assert.match(places(fedora).join("\n"), /^fedora https:.*\/releases\/\$releasever\/Everything\/\$basearch\/os\/$/m);
  });

  it("have a place for what is only enabled by hand", () => {
    assert.match(dnfPlaces(centos)["crb"] ?? "", /\/CRB\//);
  });

  it("are elsewhere for Fedora on s390x", () => {
    assert.match(dnfPlaces(fedoraZ)["updates"] ?? "", /\/pub\/fedora-secondary\/updates\//);
  });

  it("are none for a release or a distribution that is not known", () => {
    assert.deepEqual(distributionRepositories({ ...debian, release: "9" }), []);
    assert.deepEqual(distributionRepositories({ ...fedora, distribution: "other" }), []);
  });
});
