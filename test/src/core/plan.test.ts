import { EMPTY_LOCK } from "../../../src/core/lock.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { cloudImage, fromTemplate, localDisk, packages } from "../../../src/core/base.ts";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import { isDigest } from "../../../src/core/digest.ts";
import type { Op } from "../../../src/core/op.ts";
import { copyIn, run } from "../../../src/core/op-makers.ts";
import { defineStep } from "../../../src/core/step.ts";
import { defineTemplate } from "../../../src/core/template.ts";
import { BASE, digest, files, keysOf, op, opLists, plan, stepsOf } from "./arbitraries.ts";

const OTHER_BASE = `sha256:${"c".repeat(64)}` as const;

/** Keys before `index` are the same, those from it on are all different. */
function assertChangedFrom(index: number, before: readonly string[], after: readonly string[]): void {
  assert.deepEqual(after.slice(0, index), before.slice(0, index));
  const seen = new Set(before);
  for (const key of after.slice(index)) assert.ok(!seen.has(key), "a key behind the change is the same");
}

/** Two op lists that are not the same JSON, at the same place of a list of lists. */
const changedAt = fc
  .tuple(opLists, fc.nat(), fc.array(op, { minLength: 1, maxLength: 4 }))
  .map(([lists, seed, other]) => ({ lists, index: seed % lists.length, other }))
  .filter(({ lists, index, other }) => canonicalJson(lists[index]) !== canonicalJson(other));

describe("chain of keys", () => {
  it("changes from the step on whose ops change, and not before", () => {
    fc.assert(
      fc.property(changedAt, ({ lists, index, other }) => {
        const before = plan({ steps: stepsOf(lists) });
        const after = plan({ steps: stepsOf(lists.with(index, other)) });
        assert.equal(after.disk.firstKey, before.disk.firstKey);
        assertChangedFrom(index, keysOf(before), keysOf(after));
        assert.notEqual(after.id, before.id);
      }),
    );
  });

  it("changes with every single field of an op", () => {
    fc.assert(
      fc.property(op, (value) => {
        for (const field of Object.keys(value).filter((key) => key !== "kind")) {
          const key = (changed: Op): string | undefined => keysOf(plan({ steps: stepsOf([[changed]]) }))[0];
          assert.notEqual(key(altered(value, field)), key(value), field);
        }
      }),
    );
  });

  it("changes with the order of ops and with the order of steps", () => {
    const [a, b] = [run("a"), run("b")];
    const keys = [[[a, b]], [[b, a]], [[a], [b]], [[b], [a]]].map((lists) =>
      keysOf(plan({ steps: stepsOf(lists) })).at(-1),
    );
    assert.equal(new Set(keys).size, 4);
  });

  it("changes from the step on that copies a file whose content changes", () => {
    fc.assert(
      fc.property(opLists, fc.nat(), digest, (lists, seed, changed) => {
        const index = seed % lists.length;
        const source = "files/own";
        const steps = stepsOf(lists.with(index, [copyIn(source, "/etc/own")]));
        const planWith = (content: typeof changed) =>
          plan({ steps }, { files: new Map(files).set(source, { absolutePath: "/y", bytes: 1, digest: content }) });
        fc.pre(changed !== BASE);
        assertChangedFrom(index, keysOf(planWith(BASE)), keysOf(planWith(changed)));
      }),
    );
  });

  it("changes wholly with base, disk size, architecture and system", () => {
    fc.assert(
      fc.property(opLists, (lists) => {
        const steps = stepsOf(lists);
        const before = keysOf(plan({ steps }));
        assertChangedFrom(0, before, keysOf(plan({ steps }, { packagesBase: OTHER_BASE })));
        assertChangedFrom(0, before, keysOf(plan({ steps, disk: { sizeGiB: 11 } })));
        assertChangedFrom(0, before, keysOf(plan({ steps }, { arch: "arm64" })));
        const base = packages({ distribution: "debian", release: "13" });
        assertChangedFrom(0, before, keysOf(plan({ steps, base })));
      }),
      { numRuns: 20 },
    );
  });

  it("does not change with names, labels, descriptions, the machine, mirrors, or where a file lies", () => {
    fc.assert(
      fc.property(
        opLists,
        fc.stringMatching(/^[a-z]{1,8}$/),
        fc.integer({ min: 256, max: 9999 }),
        (lists, word, memoryMiB) => {
          const image = { distribution: "fedora", release: "43", url: "https://a.example/x", digest: BASE } as const;
          const before = plan({ steps: stepsOf(lists), base: cloudImage(image) });
          const moved = new Map([...files].map(([source, file]) => [source, { ...file, absolutePath: `/${word}` }]));
          const after = plan(
            {
              name: word,
              description: word,
              steps: stepsOf(lists, word),
              base: cloudImage({ ...image, mirrors: ["https://b.example/x"] }),
              machine: { memoryMiB, cpus: 7, firmware: "bios" },
              labels: { [word]: word },
            },
            { files: moved },
          );
          assert.deepEqual(keysOf(after), keysOf(before));
        },
      ),
    );
  });

  it("does not change with time zone or locale", () => {
    const steps = stepsOf([[run("a")], [copyIn("files/a", "/a")]]);
    const before = canonicalJson(plan({ steps }));
    const { TZ, LC_ALL } = process.env;
    try {
      Object.assign(process.env, { TZ: "Pacific/Apia", LC_ALL: "tr_TR.UTF-8" });
      assert.equal(canonicalJson(plan({ steps })), before);
    } finally {
      for (const [name, value] of Object.entries({ TZ, LC_ALL })) {
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      }
    }
  });
});

describe("makePlan", () => {
  it("gives the same bytes for the same input", () => {
    fc.assert(
      fc.property(opLists, (lists) => {
        assert.equal(JSON.stringify(plan({ steps: stepsOf(lists) })), JSON.stringify(plan({ steps: stepsOf(lists) })));
      }),
    );
  });

  it("asks steps for the platform of the architecture", () => {
    const seen = defineStep("seen", (platform) => [run("echo", JSON.stringify(platform))]);
    const { disk } = plan({ steps: [seen] }, { arch: "arm64" });
    const expected = {
      os: "linux",
      arch: "arm64",
      family: "apt",
      distribution: "debian",
      release: "12",
      bootLoader: "systemd-boot",
    };
    assert.deepEqual(disk.platform, expected);
    assert.deepEqual(disk.steps[0]?.ops, [run("echo", JSON.stringify(expected))]);
  });

  it("boots s390x by zipl", () => {
    assert.equal(plan({}, { arch: "s390x" }).disk.platform.bootLoader, "zipl");
  });

  it("names a copied file by its digest only", () => {
    const { disk } = plan({ steps: [defineStep("copy", [copyIn("files/a", "/etc/a")])] });
    const expected = {
      kind: "copy-in",
      path: "/etc/a",
      mode: 0o644,
      owner: "root:root",
      digest: files.get("files/a")?.digest,
    };
    assert.deepEqual(disk.steps[0]?.ops, [expected]);
  });

  it("rounds the disk to whole MiB", () => {
    assert.equal(plan({ disk: { sizeGiB: 1.3 } }).disk.virtualBytes, 1331 * 1024 ** 2);
  });

  it("says of a base of packages whether it has been made", () => {
    const made = plan().base;
    const unmade = plan({}, { packagesBase: undefined }).base;
    assert.deepEqual([made.pinned, made.identity, unmade.pinned], [true, BASE, false]);
    assert.ok(isDigest(unmade.identity));
  });

  it("takes a cloud image from the lock, and mirrors from the template", () => {
    const base = cloudImage({ distribution: "fedora", release: "43", mirrors: ["https://m.example/f"] });
    const entry = {
      url: "https://a.example/f",
      digest: BASE,
      source: "https://a.example/CHECKSUM",
      resolvedAt: "2026-01-01T00:00:00Z",
    };
    const lock = { ...EMPTY_LOCK, cloudImages: { "fedora-43-amd64": entry } };
    const planned = plan({ base }, { lock }).base;
    assert.deepEqual([planned.identity, planned.urls], [BASE, ["https://a.example/f", "https://m.example/f"]]);
  });

  it("says how to get a missing lock entry", () => {
    const base = cloudImage({ distribution: "fedora", release: "43" });
    assert.throws(() => plan({ base }), {
      code: "lock-missing",
      message: /fedora-43-amd64/,
      hint: /kvci-build lock t/,
    });
  });

  it("starts from the plan of the template it is based on", () => {
    const parent = plan({ name: "parent", steps: stepsOf([[run("a")]]) });
    const base = fromTemplate("parent");
    const child = plan({ base, steps: stepsOf([[run("b")]]) }, { parent, packagesBase: undefined });
    assert.equal(child.base.identity, parent.id);
    assert.deepEqual(child.disk.platform, parent.disk.platform);
    const other = plan({ name: "parent", steps: stepsOf([[run("c")]]) });
    const changed = plan({ base, steps: stepsOf([[run("b")]]) }, { parent: other });
    assertChangedFrom(0, keysOf(child), keysOf(changed));
  });

  it("starts from the bytes of a local disk", () => {
    const base = localDisk("files/a", { distribution: "debian", release: "12" });
    assert.equal(plan({ base }).base.identity, files.get("files/a")?.digest);
  });

  it("refuses what it was not given", () => {
    const absent = localDisk("files/absent", { distribution: "debian", release: "12" });
    const steps = [defineStep("copy", [copyIn("files/absent", "/x")])];
    const is = (path: (string | number)[]) => (error: { name: string; issues: { path: unknown }[] }) => {
      assert.deepEqual([error.name, error.issues[0]?.path], ["InputError", path]);
      return true;
    };
    assert.throws(() => plan({ base: absent }), is(["base"]));
    assert.throws(() => plan({ steps }), is(["steps", 0]));
    assert.throws(() => plan({ arches: ["arm64"] }), is(["arches"]));
    assert.throws(() => plan({ base: fromTemplate("x") }), { code: "internal" });
  });

  it("does not keep hold of the template's functions", () => {
    const template = defineTemplate({ name: "t", base: packages({ distribution: "debian", release: "12" }) });
    assert.deepEqual(structuredClone(plan({ steps: template.steps })), plan());
  });
});

/** The same op with another value in one field; still valid where validity matters to a key. */
function altered(value: Op, field: string): Op {
  const old = (value as unknown as Record<string, unknown>)[field];
  if (field === "source") return { ...value, [field]: old === "files/a" ? "files/b" : "files/a" } as Op;
  if (Array.isArray(old)) return { ...value, [field]: [...(old as string[]), ""] };
  return { ...value, [field]: typeof old === "number" ? old + 1 : `${String(old)}x` };
}
