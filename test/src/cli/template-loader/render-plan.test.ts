import assert from "node:assert/strict";
import { planJson, renderPlan } from "../../../../src/cli/template-loader/render-plan.ts";
import { PLAIN_LOOK, renderStatus } from "../../../../src/cli/template-loader/render-status.ts";
import { cloudImage, fromTemplate, localDisk } from "../../../../src/core/base.ts";
import { shortDigest } from "../../../../src/core/digest.ts";
import { copyIn, reboot, run, writeFile } from "../../../../src/core/op-makers.ts";
import { defineStep } from "../../../../src/core/step.ts";
import { freshBoot, maxAge, phase, volatile } from "../../../../src/core/step-settings.ts";
import { BASE, plan } from "../../core/arbitraries.ts";

const steps = [
  defineStep("first", [run("apt-get", "install", "-y", "containerd"), writeFile("/etc/motd", "hello")]),
  defineStep("second", [copyIn("files/a", "/etc/a"), run("sh", "-ec", "one\n  two"), reboot()]),
];

describe("plan for people", () => {
  it("shows what the disk is made of, then every step with its key and ops", () => {
    const made = plan({ steps, labels: { version: "1" }, checks: [] });
    const [first, second] = made.disk.steps.map(({ key }) => shortDigest(key));
    assert.equal(
      renderPlan(made),
      `template  t, amd64
plan      ${shortDigest(made.id)}
base      packages debian 12, bbbbbbbbbbbb
system    debian 12, apt, systemd-boot
disk      10 GiB, starts at key ${shortDigest(made.disk.firstKey)}
machine   2048 MiB, 2 CPUs, uefi
outputs   container-disk
checks    none
labels    version=1

 1  first, key ${String(first)}
      apt-get install -y containerd
      write /etc/motd

 2  second, key ${String(second)}
      copy 000000000000 to /etc/a
      sh -ec one two
      reboot

seal, never cached
      sync
`,
    );
  });

  it("says what a step asks for beside its ops", () => {
    const [only] = phase("node", [freshBoot(volatile(maxAge("7d", defineStep("s", []))))]);
    assert.ok(only);
    const shown = renderPlan(plan({ steps: [only] }));
    assert.match(shown, /^ 1 {2}s, key [0-9a-f]{12}, volatile, maxAge 7d, freshBoot, phase node$/m);
  });

  it("ends with what would be done of it", () => {
    const made = plan({ steps });
    const status = { firstBoot: "will-run", steps: [], layers: [], estimate: { totalMs: 0, parts: [] } } as const;
    const expected = `${renderPlan(made)}\n${renderStatus(made, status, PLAIN_LOOK).join("\n")}\n`;
    assert.equal(renderPlan(made, status), expected);
  });

  it("names every kind of base", () => {
    const system = { distribution: "fedora", release: "43" } as const;
    const bases = [
      plan({}, { packagesBase: undefined }),
      plan({ base: cloudImage({ ...system, url: "https://a.example/x", digest: BASE }) }),
      plan({ base: localDisk("files/a", system) }),
      plan({ base: fromTemplate("parent") }, { parent: plan() }),
    ];
    const shown = bases.map((each) => /^base +(.*)$/m.exec(renderPlan(each))?.[1]?.replace(/[0-9a-f]{12}/, "…"));
    assert.deepEqual(shown, [
      "packages debian 12, … until it is made, when every key changes",
      "cloud-image fedora 43, …",
      "disk files/a, …",
      "template parent, …",
    ]);
  });

  it("cuts long ops and shows control characters instead of sending them to the terminal", () => {
    const ops = [run("echo", "x".repeat(300)), run("echo", "\u001b[31mred\u202e")];
    const lines = renderPlan(plan({ steps: [defineStep("s", ops)] })).split("\n");
    assert.ok(lines.every((line) => line.length <= 106));
    assert.ok(lines.includes("      echo \\u{1b}[31mred\\u{202e}"));
  });

  it("is the same text for the same plan", () => {
    assert.equal(renderPlan(plan({ steps })), renderPlan(plan({ steps })));
  });
});

describe("plan for programs", () => {
  it("is the whole plan as JSON, ending in a newline", () => {
    const made = plan({ steps });
    assert.deepEqual(JSON.parse(planJson(made)), made);
    assert.match(planJson(made), /^\{\n {2}"formatVersion": 1,[^]*\}\n$/);
  });

  it("has what would be done of it as one more member, the others as they were", () => {
    const made = plan({ steps });
    const status = { firstBoot: "cached", steps: [], layers: [], estimate: { totalMs: 0, parts: [] } } as const;
    const { cache, ...rest } = JSON.parse(planJson(made, status)) as Record<string, unknown>;
    assert.deepEqual(rest, made);
    assert.deepEqual(cache, { firstBoot: "cached", steps: [], estimate: { totalMs: 0, parts: [] } });
    assert.ok(planJson(made, status).startsWith(planJson(made).slice(0, -3)));
  });
});
