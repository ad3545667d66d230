import assert from "node:assert/strict";
import { seal } from "../../../src/steps/seal.ts";
import { commandsOf, contentOf, debian, debianZ, fedora, fedoraZ } from "./golden.ts";

const position = (commands: readonly string[], pattern: RegExp): number => {
  const index = commands.findIndex((command) => pattern.test(command));
  assert.notEqual(index, -1, `no command matches ${String(pattern)}`);
  return index;
};

describe("seal", () => {
  for (const platform of [debian, fedora, debianZ, fedoraZ]) {
    const commands = commandsOf(seal().ops(platform));
    describe(`on ${platform.distribution} ${platform.arch}`, () => {
      it("removes host keys, the build's sshd setting, root's keys and both seeds", () => {
        const all = commands.join("\n");
        const gone = [
          "/etc/ssh/ssh_host_*",
          "/etc/ssh/sshd_config.d/00-kvci-build.conf",
          "/root/.ssh",
          "/var/lib/systemd/random-seed",
          "/var/lib/systemd/credential.secret",
        ];
        for (const path of gone) assert.ok(all.includes(path), path);
      });

      it("empties the machine-id after everything that may read it", () => {
        const emptied = position(commands, /^truncate --size=0 \/etc\/machine-id$/);
        assert.ok(position(commands, /journalctl --relinquish-var/) < emptied);
        assert.ok(position(commands, /systemctl stop/) < emptied);
        assert.ok(position(commands, /\/etc\/cloud\/clean\.d/) < emptied);
      });

      it("stops what writes at shutdown before it removes the files", () => {
        const all = commands.join("\n");
        assert.ok(all.indexOf("journalctl --relinquish-var") < all.indexOf("find /var/log "));
        assert.ok(
          position(commands, /systemd-random-seed\.service/) < position(commands, /\/var\/lib\/systemd\/random-seed/),
        );
      });

      it("ends with sync and a trim that may find nothing to trim", () => {
        assert.match(commands.at(-1) ?? "", /sync\nfstrim --all --verbose \|\| echo/);
      });

      it("leaves resolv.conf, journal folder and the running script's own folder alone", () => {
        assert.doesNotMatch(commands.join("\n"), /resolv\.conf|rm -rf[^\n]* \/var\/log|\/run\/kvci-build-step/);
      });
    });
  }

  it("has Debian make host keys at first boot, before sshd; Fedora does so by itself", () => {
    const unit = contentOf(seal().ops(debian), "/etc/systemd/system/kvci-ssh-host-keys.service");
    assert.match(unit, /^Before=ssh\.service$/m);
    const link = "/etc/systemd/system/multi-user.target.wants/kvci-ssh-host-keys.service";
    assert.ok(commandsOf(seal().ops(debian)).join("\n").includes(`ln -sf ../kvci-ssh-host-keys.service ${link}`));
    assert.ok(
      !seal()
        .ops(fedora)
        .some((op) => op.kind === "write-file"),
    );
  });

  it("runs zipl on s390x only", () => {
    assert.ok(commandsOf(seal().ops(debianZ)).includes("zipl"));
    assert.ok(commandsOf(seal().ops(fedoraZ)).includes("zipl"));
    assert.ok(!commandsOf(seal().ops(debian)).includes("zipl"));
  });

  it("takes away the stamps of first-boot units that ran in the build", () => {
    assert.match(commandsOf(seal().ops(debian)).join("\n"), /\/var\/lib\/kvci-build\/first-boot\/\*\.done/);
  });
});
