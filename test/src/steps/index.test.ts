import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import * as steps from "../../../src/steps/index.ts";
import { assertGolden, assertGoldens, debian, debianGrub, debianZ, fedora, fedoraZ } from "./golden.ts";
import { SAMPLES } from "./samples.ts";

const PLATFORMS = { debian, debianGrub, debianZ, fedora, fedoraZ };

describe("step library", () => {
  for (const [name, step] of Object.entries(SAMPLES)) {
    it(`gives ${name} the ops of its golden files for apt and dnf`, () => {
      assertGoldens(name, step);
    });
  }

  for (const [name, platform] of Object.entries({ debianGrub, debianZ, fedoraZ })) {
    it(`gives kernel arguments and seal the ops of their golden files on ${name}`, () => {
      assertGolden(
        `kernel-arguments.${platform.family}-${platform.bootLoader}`,
        steps.kernelArguments({ add: ["nosmt"], remove: ["quiet"] }),
        platform,
      );
      assertGolden(`seal.${platform.family}-${platform.bootLoader}`, steps.seal(), platform);
    });
  }

  it("is pure: the same platform gives the same bytes", () => {
    for (const step of Object.values(SAMPLES)) {
      for (const platform of Object.values(PLATFORMS)) {
        assert.equal(canonicalJson(step.ops(platform)), canonicalJson(step.ops({ ...platform })));
      }
    }
  });

  it("gives every step a name that a template takes", () => {
    for (const { name } of Object.values(SAMPLES)) assert.match(name, /^[a-z0-9][a-z0-9.+-]*$/);
  });

  it("writes only scripts that a POSIX shell can parse", () => {
    const scripts = new Set(
      Object.values(SAMPLES).flatMap((step) =>
        Object.values(PLATFORMS).flatMap((platform) => scriptsOf(step.ops(platform))),
      ),
    );
    assert.ok(scripts.size > 15);
    for (const script of scripts) {
      const { status, stderr } = spawnSync("sh", ["-n"], { input: script, encoding: "utf8" });
      assert.equal(status, 0, `${stderr}\n${script}`);
    }
  });

  it("holds a shell only where an op says so", () => {
    for (const step of Object.values(SAMPLES)) {
      for (const op of step.ops(debian)) {
        if (op.kind === "run" && op.argv[0] !== "sh") {
          assert.ok(
            // apt and dnf read the * of a version themselves.
            !op.argv.some((text) => /[*?$`;|]|&&/.test(text.replace(/\.?\*$/, "")) && !text.startsWith("/var/log/")),
            op.argv.join(" "),
          );
        }
      }
    }
  });
});

function scriptsOf(ops: ReturnType<(typeof SAMPLES)[string]["ops"]>): string[] {
  return ops.flatMap((op) => {
    if (op.kind === "run" && op.argv[0] === "sh") return [op.argv.at(-1) ?? ""];
    const isShell = op.kind === "write-file" && (op.content.startsWith("#!/bin/sh") || op.path.endsWith(".cfg"));
    return isShell ? [op.content] : [];
  });
}
