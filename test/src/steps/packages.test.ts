import assert from "node:assert/strict";
import { installPackages, removePackages } from "../../../src/steps/packages.ts";
import type { PackageLock } from "../../../src/core/lock.ts";
import { centos, commandsOf, contentOf, debian, fedora } from "./golden.ts";

const DIGEST = `sha256:${"a".repeat(64)}` as const;
const packages = {
  jq: {
    version: "1.6-2.1",
    arch: "amd64",
    digest: DIGEST,
    bytes: 3,
    url: "https://a.example/pool/jq_1.6-2.1_amd64.deb",
  },
  "libjq1+x": {
    version: "0:1.6-2",
    arch: "x86_64",
    digest: DIGEST,
    bytes: 4,
    url: "https://a.example/p/libjq1%2Bx-1.6-2.x86_64.rpm",
  },
};
const base = { libc6: { ...packages.jq, version: "2.36-9", url: "https://a.example/libc6_2.36-9_amd64.deb" } };

/** A lock with an entry for the step and one for the base. */
const lock: PackageLock = (set) => {
  const common = { recommends: false, resolvedAt: "2026-01-01T00:00:00Z" };
  if (set === "base") return { ...common, wants: ["libc6"], packages: base };
  return set === "install-jq-libc6" ? { ...common, wants: ["jq", "libc6"], packages } : undefined;
};

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
    assert.match(commandsOf(ops).at(-1) ?? "", /^sh -ec find .* -exec shred .*\napt-get clean$/);
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

describe("installPackages with a lock", () => {
  const step = installPackages(["jq@1.6*", "libc6"]);

  it("is asked for by the step's name, with the family's names", () => {
    assert.deepEqual(step.needs?.(debian), [
      { kind: "packages", set: "install-jq-1.6-libc6", names: ["jq@1.6*", "libc6"], recommends: false },
    ]);
    assert.deepEqual(installPackages({ apt: ["a"], dnf: [] }).needs?.(fedora), []);
    assert.equal(installPackages(["jq"], { recommends: true }).needs?.(debian)[0]?.kind, "packages");
  });

  it("has the ops of an unlocked step when the lock has no entry", () => {
    assert.deepEqual(step.ops(debian, lock), step.ops(debian));
    assert.deepEqual(step.ops(centos, lock), step.ops(centos));
  });

  it("pins what is locked and lets nothing else be installed, by apt", () => {
    const ops = installPackages(["jq", "libc6"]).ops(debian, lock);
    const preferences = contentOf(ops, "/run/kvci-apt/preferences");
    assert.match(preferences, /^Package: \*\nPin: origin "\*"\nPin-Priority: -1\n/);
    assert.match(
      preferences,
      new RegExp(`\nExplanation: ${DIGEST}\nPackage: jq\nPin: version 1.6-2.1\nPin-Priority: 995\n`),
    );
    assert.match(preferences, new RegExp(`\nExplanation: ${DIGEST} base\nPackage: libc6\nPin: version 2.36-9\n`));
    assert.match(contentOf(ops, "/run/kvci-apt/apt.conf"), /Dir::Etc::preferences "\/run\/kvci-apt\/preferences";/);
    const commands = commandsOf(ops);
    assert.ok(commands.some((command) => command.endsWith(" --no-install-recommends jq=1.6-2.1 libc6")));
    assert.ok(commands.some((command) => command.includes("install --no-download")));
    assert.equal(commands.at(-1), "rm /run/kvci-apt/preferences /run/kvci-apt/request");
  });

  it("lists digest, file and exact name of what is locked, for dnf", () => {
    const ops = installPackages(["jq", "libc6"]).ops(centos, lock);
    assert.match(
      contentOf(ops, "/run/kvci-dnf/locked"),
      new RegExp(`^${DIGEST} libjq1\\+x-1.6-2.x86_64.rpm libjq1\\+x libjq1\\+x-0:1.6-2.x86_64 step$`, "m"),
    );
    assert.equal(contentOf(ops, "/run/kvci-dnf/wanted"), "jq-1.6-2.1.amd64\nlibc6\n");
    assert.ok(commandsOf(ops).some((command) => command.endsWith(" --cacheonly")));
    assert.match(commandsOf(ops).at(-1) ?? "", /^rm -rf \/var\/cache\/kvci-dnf /);
  });

  it("has another digest when the lock has another, and the same whatever the mirror", () => {
    const other: PackageLock = (set) => {
      const found = lock(set);
      return (
        found && {
          ...found,
          packages: { ...found.packages, jq: { ...packages.jq, digest: `sha256:${"b".repeat(64)}` } },
        }
      );
    };
    const same = installPackages(["jq", "libc6"]);
    for (const platform of [debian, centos]) {
      assert.notDeepEqual(same.ops(platform, other), same.ops(platform, lock));
      assert.deepEqual(same.ops(platform, lock), same.ops(platform, lock));
    }
  });

  it("knows where CentOS Stream and Fedora are when their files only name lists of mirrors", () => {
    const script = (platform: typeof centos): string => commandsOf(installPackages(["jq"]).ops(platform))[0] ?? "";
    assert.match(script(centos), /baseos\) line='baseurl=https:\/\/mirror\.stream\.centos\.org\/\$stream\/BaseOS\//);
    assert.match(
      script(fedora),
      /updates\) line='baseurl=https:\/\/dl\.fedoraproject\.org\/pub\/fedora\/linux\/updates\//,
    );
    assert.match(script({ ...fedora, arch: "s390x" }), /\/pub\/fedora-secondary\/updates\//);
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
