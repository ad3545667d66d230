import assert from "node:assert/strict";
import fc from "fast-check";
import type { z } from "zod";
import type { cloudImageSchema, localDiskSchema, packagesSchema } from "../../../src/core/base.ts";
import {
  cloudImage,
  fromTemplate,
  localDisk,
  packages,
  type CloudImageInput,
  type LocalDiskInput,
  type PackagesInput,
} from "../../../src/core/base.ts";
import type { environmentSchema } from "../../../src/core/environment.ts";
import { type EnvironmentInput } from "../../../src/core/environment.ts";
import { InputError, type DeepReadonly, type InputIssue } from "../../../src/core/input.ts";
import { copyIn, reboot, run, runFor, waitFor, writeFile } from "../../../src/core/op-makers.ts";
import { defineStep } from "../../../src/core/step.ts";
import { defineTemplate, type TemplateInput, type templateSchema } from "../../../src/core/template.ts";
import { anything } from "./arbitraries.ts";

const base = packages({ distribution: "debian", release: "12" });
const step = defineStep("one", [run("true")]);

/** What an unchecked caller passes. */
function define(value: unknown): unknown {
  return defineTemplate(value as TemplateInput);
}

function issuesOf(work: () => unknown): readonly InputIssue[] {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.issues;
  }
  return assert.fail("nothing was thrown");
}

const known = fc.constantFrom(
  ...(["name", "description", "arches", "base", "disk", "machine", "steps", "outputs", "checks", "labels"] as const),
);
const valid: fc.Arbitrary<TemplateInput> = fc.record(
  {
    name: fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}[a-z0-9]$/),
    base: fc.constantFrom(
      base,
      { kind: "packages", distribution: "ubuntu", release: "24.04" } as const,
      cloudImage({ distribution: "fedora", release: "43" }),
      localDisk("disk.img", { distribution: "centos", release: "9" }),
      fromTemplate("quickstart"),
    ),
    description: fc.string(),
    arches: fc.subarray(["amd64", "arm64", "s390x"] as const, { minLength: 1 }),
    disk: fc.record({ sizeGiB: fc.integer({ min: 1, max: 2048 }) }),
    machine: fc.record(
      {
        memoryMiB: fc.integer({ min: 256, max: 65_536 }),
        cpus: fc.integer({ min: 1, max: 64 }),
        firmware: fc.constantFrom("uefi" as const, "bios" as const),
      },
      { requiredKeys: [] },
    ),
    steps: fc
      .uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9.+-]{0,12}$/), { maxLength: 5 })
      .map((names) => names.map((name) => defineStep(name, [run("true")]))),
    labels: fc.dictionary(fc.string({ minLength: 1 }), fc.string()),
  },
  { requiredKeys: ["name", "base"] },
);

describe("template", () => {
  it("fills in what is left out", () => {
    assert.deepEqual(defineTemplate({ name: "t", base }), {
      name: "t",
      base,
      arches: ["amd64"],
      disk: { sizeGiB: 10 },
      machine: { memoryMiB: 2048, cpus: 2, firmware: "uefi" },
      steps: [],
      outputs: ["container-disk"],
      checks: ["boot"],
      labels: {},
      maxLayerMiB: {},
    });
  });

  it("passes when it is valid, and again as its own result", () => {
    fc.assert(
      fc.property(valid, (input) => {
        const template = defineTemplate(input);
        assert.deepEqual(defineTemplate(template), template);
      }),
    );
  });

  it("throws nothing but an InputError with issues, whatever it is given", () => {
    fc.assert(
      fc.property(anything, (value) => assert.ok(issuesOf(() => define(value)).length > 0)),
      { numRuns: 500 },
    );
  });

  it("throws nothing but an InputError when single keys are anything", () => {
    fc.assert(
      fc.property(valid, known, anything, (input, key, value) => {
        try {
          define({ ...input, [key]: value });
        } catch (error) {
          assert.ok(error instanceof InputError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("survives steps of any shape", () => {
    const shapes = fc.array(fc.record({ name: anything, ops: fc.oneof(anything, fc.func(fc.constant([]))) }));
    fc.assert(
      fc.property(shapes, (steps) => {
        try {
          define({ name: "t", base, steps });
        } catch (error) {
          assert.ok(error instanceof InputError, String(error));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("reports every mistake at once, each with its path", () => {
    const issues = issuesOf(() => define({ name: "T", bsae: base, machine: { cpus: 0 }, steps: [step, step] }));
    assert.deepEqual(issues.map(({ path }) => path.join(".")).sort(), [
      "base",
      "bsae",
      "machine.cpus",
      "name",
      "steps.1",
    ]);
  });

  it("answers an unknown key with the nearest known one, and marks the key", () => {
    assert.deepEqual(
      issuesOf(() => define({ name: "t", base, stesp: [] })),
      [{ path: ["stesp"], message: 'unknown key "stesp"; did you mean "steps"?', at: "key" }],
    );
    assert.match(
      issuesOf(() => define({ name: "t", base, disk: { sizeGiB: 3, foo: 1 } }))[0]?.message ?? "",
      /known are sizeGiB$/,
    );
  });

  it("says what is missing and what is there instead", () => {
    const messages = issuesOf(() => define({ name: 3, machine: { firmware: "efi" }, base: { kind: "package" } }));
    assert.deepEqual(
      messages.map(({ message }) => message),
      [
        "expected string, received number",
        '"package" is not known here: one of cloud-image, packages, local-disk, template is needed; did you mean "packages"?',
        '"efi" is not known here: one of uefi, bios is needed; did you mean "uefi"?',
      ],
    );
    assert.equal(issuesOf(() => define({ name: "t" }))[0]?.message, "missing: an object is needed");
  });

  it("refuses duplicate and unusable step names and things that are no steps", () => {
    const names = issuesOf(() => define({ name: "t", base, steps: [step, step, defineStep("A b", [])] }));
    assert.deepEqual(
      names.map(({ path, message }) => [path, message.split(":")[0]]),
      [
        [["steps", 1], 'duplicate step name "one"'],
        [["steps", 2], '"A b" is not a step name'],
      ],
    );
    assert.match(issuesOf(() => define({ name: "t", base, steps: [step.ops] }))[0]?.message ?? "", /^a step is needed/);
  });

  it("refuses lists that say something twice", () => {
    const issues = issuesOf(() => define({ name: "t", base, arches: ["arm64", "arm64"], checks: ["boot", "boot"] }));
    assert.deepEqual(
      issues.map(({ path }) => path),
      [
        ["arches", 1],
        ["checks", 1],
      ],
    );
  });
});

describe("documented inputs", () => {
  it("say exactly what the schemas take", () => {
    // The compiler is the test: one key more or less on either side and this does not typecheck.
    const same: [
      Same<TemplateInput, DeepReadonly<z.input<typeof templateSchema>>>,
      Same<EnvironmentInput, DeepReadonly<z.input<typeof environmentSchema>>>,
      Same<CloudImageInput, DeepReadonly<Omit<z.input<typeof cloudImageSchema>, "kind">>>,
      Same<PackagesInput, DeepReadonly<Omit<z.input<typeof packagesSchema>, "kind">>>,
      Same<LocalDiskInput, DeepReadonly<Omit<z.input<typeof localDiskSchema>, "kind" | "path">>>,
    ] = [true, true, true, true, true];
    assert.equal(same.length, 5);
  });
});

type Same<A, B> = [A, B] extends [B, A] ? ([keyof A, keyof B] extends [keyof B, keyof A] ? true : false) : false;

describe("bases", () => {
  it("want url and digest together", () => {
    const image = { distribution: "fedora", release: "43" } as const;
    assert.deepEqual(issuesOf(() => cloudImage({ ...image, url: "https://a.example/x" }))[0]?.path, ["digest"]);
    const digest = `sha256:${"0".repeat(64)}` as const;
    assert.equal(cloudImage({ ...image, url: "https://a.example/x", digest }).digest, digest);
  });

  it("refuse other protocols, releases and distributions", () => {
    const wrong = { distribution: "debain", release: "trixie/sid", mirrors: ["ftp://a.example/x"] };
    const issues = issuesOf(() => cloudImage(wrong as unknown as CloudImageInput));
    assert.deepEqual(
      issues.map(({ path }) => path.join(".")),
      ["distribution", "release", "mirrors.0"],
    );
  });
});

describe("ops", () => {
  const wrong: readonly (readonly [string, () => unknown])[] = [
    ["argv", () => run(...([] as unknown as [string]))],
    ["argv", () => run("")],
    ["argv.1", () => run("echo", "a\0b")],
    ["argv.1", () => run("echo", "\uD800")],
    ["timeoutMs", () => runFor(0, "true")],
    ["path", () => writeFile("etc/motd", "")],
    ["path", () => writeFile("/etc/../motd", "")],
    ["path", () => writeFile("/etc/", "")],
    ["content", () => writeFile("/etc/motd", "\uDC00")],
    ["mode", () => writeFile("/etc/motd", "", { mode: 0o10000 })],
    ["owner", () => writeFile("/etc/motd", "", { owner: "root" })],
    ["source", () => copyIn("", "/etc/motd")],
    ["timeoutMs", () => reboot({ timeoutMs: 1.5 })],
    ["intervalMs", () => waitFor("it is up", ["true"], { intervalMs: 0 })],
  ];
  for (const [path, make] of wrong) {
    it(`refuse a wrong ${path}: ${String(make).replace("() => ", "")}`, () => {
      assert.equal(issuesOf(make)[0]?.path.join("."), path);
    });
  }
});
