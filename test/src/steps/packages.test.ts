import assert from "node:assert/strict";
import { installPackages, removePackages } from "../../../src/steps/packages.ts";
import { commandsOf, contentOf, debian, fedora } from "./golden.ts";

describe("installPackages", () => {
  it("pins versions the way each family writes them", () => {
    const step = installPackages(["runc@1.1.5+ds1-1"]);
    assert.ok(commandsOf(step.ops(debian)).some((command) => command.endsWith(" runc=1.1.5+ds1-1")));
    assert.ok(commandsOf(step.ops(fedora)).some((command) => command.endsWith(" runc-1.1.5+ds1-1")));
  });

  it("installs no recommended packages unless told", () => {
    assert.ok(
      commandsOf(installPackages(["jq"]).ops(debian)).some((command) => command.includes("--no-install-recommends")),
    );
    assert.ok(
      commandsOf(installPackages(["jq"]).ops(fedora)).some((command) => command.includes("install_weak_deps=False")),
    );
    const all = installPackages(["jq"], { recommends: true });
    assert.ok(commandsOf(all.ops(debian)).some((command) => command.includes(" --install-recommends")));
    assert.ok(commandsOf(all.ops(fedora)).some((command) => command.includes("install_weak_deps=True")));
  });

  it("keeps apt's lists in memory and ends by emptying the package cache", () => {
    const ops = installPackages(["jq"]).ops(debian);
    assert.match(contentOf(ops, "/run/kvci-apt/apt.conf"), /^Dir::State::lists "\/run\//);
    assert.equal(commandsOf(ops).at(-1), "apt-get clean");
    assert.equal(commandsOf(installPackages(["jq"]).ops(fedora)).at(-1), "dnf clean all");
  });

  it("keeps Debian from starting services while it installs, and no longer", () => {
    const ops = installPackages(["jq"]).ops(debian);
    const denied = ops.findIndex((op) => op.kind === "write-file" && op.path === "/usr/sbin/policy-rc.d");
    const install = ops.findIndex((op) => op.kind === "run" && op.argv.includes("install"));
    const allowed = ops.findIndex((op) => op.kind === "run" && op.argv.join(" ") === "rm /usr/sbin/policy-rc.d");
    assert.ok(denied >= 0 && denied < install && install < allowed);
  });

  it("does nothing for a family that was given no names", () => {
    assert.deepEqual(installPackages({ apt: ["open-iscsi"], dnf: [] }).ops(fedora), []);
  });

  it("names itself after its packages, the first four of them", () => {
    assert.equal(installPackages(["a", "b@1:2~x"]).name, "install-a-b-1-2-x");
    assert.equal(installPackages(["a", "b", "c", "d", "e", "f"]).name, "install-a-b-c-d-and-2-more");
  });

  it("refuses what is no package name, an empty list and unknown keys", () => {
    assert.throws(() => installPackages(["a b"]), {
      name: "InputError",
      code: "template-invalid",
      message: /installPackages: 0: write "name"/,
    });
    assert.throws(() => installPackages(["--reinstall"]), { code: "template-invalid" });
    assert.throws(() => installPackages([]), { message: /name at least one package/ });
    assert.throws(() => installPackages({ apt: ["a"], dnf: ["a"], apk: ["a"] } as never), {
      message: /unknown key "apk"/,
    });
    assert.throws(() => installPackages(["a"], { recommend: true } as never), { message: /unknown key "recommend"/ });
  });
});

describe("removePackages", () => {
  it("removes whatever version is there", () => {
    assert.ok(
      commandsOf(removePackages(["nano@7"]).ops(debian))
        .at(-1)
        ?.endsWith("apt-get purge --autoremove nano"),
    );
    assert.deepEqual(commandsOf(removePackages(["nano@7"]).ops(fedora)), ["dnf remove --assumeyes nano"]);
  });
});
