import assert from "node:assert/strict";
import { installedPackages, parsePackages } from "../../../builders/qemu/packages.ts";
import type { Machine } from "../../../src/machine/machine.ts";

const DPKG = "installed\tzlib1g\t1:1.2.13\tamd64\t167\nconfig-files\told\t1\tall\t\ninstalled\tbash\t5.2-2\tamd64\t\n";

function answering(output: string, exitCode = 0): Machine & { readonly argv: string[][] } {
  const argv: string[][] = [];
  return {
    argv,
    exec(command, options) {
      argv.push([...command]);
      options?.onOutput?.("stdout", output);
      return Promise.resolve({ exitCode, stdout: output, stderr: "database is locked" });
    },
  };
}

describe("the guest's packages", () => {
  it("are listed by name, without those that left only their configuration", () => {
    assert.deepEqual(parsePackages(DPKG, "apt"), [
      { name: "bash", version: "5.2-2", arch: "amd64" },
      { name: "zlib1g", version: "1:1.2.13", arch: "amd64", installedBytes: 167 * 1024 },
    ]);
  });

  it("are asked for in the family's own way", async () => {
    const [apt, dnf] = [answering(DPKG), answering("installed\tbash\t5.2-6.fc43\tx86_64\t8000\n")];
    assert.equal((await installedPackages(apt, "apt")).length, 2);
    assert.deepEqual(await installedPackages(dnf, "dnf"), [
      { name: "bash", version: "5.2-6.fc43", arch: "x86_64", installedBytes: 8000 },
    ]);
    assert.deepEqual([apt.argv[0]?.[0], dnf.argv[0]?.[0]], ["dpkg-query", "rpm"]);
  });

  it("that cannot be read are an error with what the guest said", async () => {
    await assert.rejects(installedPackages(answering("", 2), "apt"), {
      code: "command-failed",
      evidence: ["database is locked"],
    });
  });
});
