import assert from "node:assert/strict";
import { user } from "../../../src/steps/users.ts";
import { commandsOf, debian, fedora } from "./golden.ts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio core";

describe("user", () => {
  it("never sets a password", () => {
    assert.doesNotMatch(commandsOf(user({ name: "core", sudo: true }).ops(debian)).join("\n"), /passwd|password/);
  });

  it("lets only the user read the keys, and labels them where SELinux is", () => {
    const ops = user({ name: "core", authorizedKeys: [key] }).ops(fedora);
    const file = { path: "/home/core/.ssh/authorized_keys", content: `${key}\n`, mode: 0o600, owner: "core:core" };
    assert.deepEqual(ops.at(-2), { kind: "write-file", ...file });
    assert.deepEqual(ops.at(-1), { kind: "run", argv: ["restorecon", "-R", "/home/core/.ssh"] });
    assert.deepEqual(
      user({ name: "core", authorizedKeys: [key] })
        .ops(debian)
        .at(-1),
      { kind: "write-file", ...file },
    );
  });

  it("has sudo's own check read the rule it wrote", () => {
    assert.equal(
      commandsOf(user({ name: "core", sudo: true }).ops(debian)).at(-1),
      "visudo --check --quiet --file=/etc/sudoers.d/90-core",
    );
  });

  it("refuses root, private keys, and passwords", () => {
    assert.throws(() => user({ name: "root" }), {
      name: "InputError",
      message: /name: root is the build's own way in/,
    });
    assert.throws(() => user({ name: "core", authorizedKeys: ["-----BEGIN OPENSSH PRIVATE KEY-----"] }), {
      message: /authorizedKeys\.0: one line of a public key/,
    });
    assert.throws(() => user({ name: "core", password: "x" } as never), { message: /unknown key "password"/ });
  });
});
