import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import type { Digest } from "../../../src/core/digest.ts";
import { bootKey, firstKey, nextKey } from "../../../src/core/key.ts";
import type { Op, PlannedOp } from "../../../src/core/op.ts";
import { run } from "../../../src/core/op-makers.ts";
import type { Platform } from "../../../src/core/platform.ts";
import { freshBoot, maxAge, phase, volatile } from "../../../src/core/step-settings.ts";
import { defineStep, type Step } from "../../../src/core/step.ts";
import { BASE, digest, keysOf, op, opLists, plan, stepsOf } from "./arbitraries.ts";

/** What of a step is in its key. */
interface Content {
  readonly ops: readonly Op[];
  readonly freshBoot: boolean;
}

const content = fc.record({ ops: fc.array(op, { minLength: 1, maxLength: 4 }), freshBoot: fc.boolean() });
const contents = fc.array(content, { minLength: 1, maxLength: 6 });

function keysFor(list: readonly Content[]): Digest[] {
  const steps = stepsOf(list.map(({ ops }) => ops));
  return keysOf(plan({ steps: steps.map((step, index) => (list[index]?.freshBoot ? freshBoot(step) : step)) }));
}

type Change = (list: readonly Content[], at: number, other: Content) => readonly Content[];

function changeOps(list: readonly Content[], at: number, change: (ops: readonly Op[]) => readonly Op[]): Content[] {
  return list.map((item, index) => (index === at % list.length ? { ...item, ops: change(item.ops) } : item));
}

function swapped<T>(list: readonly T[], at: number): T[] {
  const [a, b] = [at % list.length, (at + 1) % list.length];
  return list.with(a, list[b] as T).with(b, list[a] as T);
}

const CHANGES: Readonly<Record<string, Change>> = {
  "another op": (list, at, { ops: [op] }) => changeOps(list, at, (ops) => (op ? ops.with(at % ops.length, op) : ops)),
  "an op inserted": (list, at, { ops: [op] }) =>
    changeOps(list, at, (ops) => (op ? ops.toSpliced(at % (ops.length + 1), 0, op) : ops)),
  "an op removed": (list, at) => changeOps(list, at, (ops) => ops.toSpliced(at % ops.length, 1)),
  "two ops swapped": (list, at) => changeOps(list, at, (ops) => swapped(ops, at)),
  "an op moved to the next step": (list, at) => {
    const moved = list[at % list.length]?.ops.at(-1);
    const without = changeOps(list, at, (ops) => ops.slice(0, -1));
    return moved ? changeOps(without, at + 1, (ops) => [moved, ...ops]) : without;
  },
  "a step inserted": (list, at, other) => list.toSpliced(at % (list.length + 1), 0, other),
  "a step removed": (list, at) => list.toSpliced(at % list.length, 1),
  "two steps swapped": (list, at) => swapped(list, at),
  "a fresh boot more or less": (list, at) =>
    list.map((item, index) => (index === at % list.length ? { ...item, freshBoot: !item.freshBoot } : item)),
};

const START = {
  base: BASE,
  virtualBytes: 10 * 1024 ** 3,
  platform: {
    os: "linux",
    arch: "amd64",
    family: "apt",
    distribution: "debian",
    release: "12",
    bootLoader: "grub",
  } satisfies Platform,
} as const;

describe("key of a step", () => {
  for (const [name, change] of Object.entries(CHANGES)) {
    it(`stands for exactly the steps up to it, with ${name}`, () => {
      fc.assert(
        fc.property(contents, fc.nat({ max: 1_000 }), content, (before, at, other) => {
          const after = change(before, at, other);
          const [keysBefore, keysAfter] = [keysFor(before), keysFor(after)];
          keysBefore.forEach((key, i) => {
            keysAfter.forEach((later, j) => {
              const isSame = canonicalJson(before.slice(0, i + 1)) === canonicalJson(after.slice(0, j + 1));
              assert.equal(key === later, isSame, `${String(i)} and ${String(j)}`);
            });
          });
        }),
        { numRuns: 40 },
      );
    });
  }

  it("changes with every field of where the chain starts", () => {
    const others = [
      { ...START, base: `sha256:${"c".repeat(64)}` as const },
      { ...START, virtualBytes: START.virtualBytes + 1 },
      ...Object.entries({
        os: "other",
        arch: "arm64",
        family: "dnf",
        distribution: "ubuntu",
        release: "13",
        bootLoader: "zipl",
      }).map(([field, value]) => ({ ...START, platform: { ...START.platform, [field]: value } })),
    ];
    const keys = [START, ...others].map((start) => nextKey(bootKey(firstKey(start)), []));
    assert.equal(new Set(keys).size, keys.length);
  });

  it("changes with the digest of the base and the size of the disk, whatever they are", () => {
    fc.assert(
      fc.property(fc.tuple(digest, digest), fc.tuple(fc.nat(), fc.nat()), ([a, b], [sizeA, sizeB]) => {
        const key = (base: Digest, virtualBytes: number): Digest => firstKey({ ...START, base, virtualBytes });
        assert.equal(key(a, sizeA) === key(b, sizeB), a === b && sizeA === sizeB);
      }),
    );
  });

  it("is none of the keys that a chain starts with", () => {
    fc.assert(
      fc.property(digest, opLists, (base, lists) => {
        const { disk } = plan({ steps: stepsOf(lists) }, { packagesBase: base });
        const keys = [disk.firstKey, disk.bootKey, ...disk.steps.map(({ key }) => key)];
        assert.equal(new Set(keys).size, keys.length);
      }),
    );
  });

  it("changes with the order of what env sets, which is a command line", () => {
    const keys = [run("env", "A=1", "B=2", "make"), run("env", "B=2", "A=1", "make")].map(
      (each) => keysFor([{ ops: [each], freshBoot: false }])[0],
    );
    assert.notEqual(keys[0], keys[1]);
  });

  it("does not change with volatile, maxAge and phase", () => {
    fc.assert(
      fc.property(opLists, fc.integer({ min: 1, max: 99_999 }), (lists, minutes) => {
        const steps = stepsOf(lists);
        const dressed = steps.map((step) => maxAge(`${String(minutes)}m`, volatile(step)));
        assert.deepEqual(keysOf(plan({ steps: phase("node", dressed) })), keysOf(plan({ steps })));
      }),
    );
  });

  it("does not change with outputs and checks", () => {
    const steps = stepsOf([[run("a")]]);
    assert.deepEqual(keysOf(plan({ steps, outputs: [], checks: [] })), keysOf(plan({ steps })));
  });

  it("does not change with the order in which an op's properties were written", () => {
    fc.assert(
      fc.property(opLists, (lists) => {
        const reversed = lists.map((ops) =>
          ops.map((each) => Object.fromEntries(Object.entries(each).reverse()) as Op),
        );
        assert.deepEqual(keysOf(plan({ steps: handMade(reversed) })), keysOf(plan({ steps: handMade(lists) })));
      }),
    );
  });
});

/** Letters that JSON is made of, and that others might join words with. */
const tricky = fc.string({
  unit: fc.constantFrom('"', ",", "[", "]", "{", "}", ":", "\\", "\n", " ", "0", "a"),
  maxLength: 6,
});

describe("keys of op lists that look alike", () => {
  it("differ wherever one list of words is divided otherwise", () => {
    const division = fc.array(fc.tuple(tricky, fc.constantFrom("word", "op", "step")), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(division, division, (a, b) => {
        const [one, two] = [divided(a), divided(b)];
        assert.equal(lastKey(one) === lastKey(two), canonicalJson(one) === canonicalJson(two));
      }),
    );
    fc.assert(
      fc.property(division, fc.nat({ max: 100 }), fc.constantFrom("word", "op", "step"), (list, seed, other) => {
        const at = seed % list.length;
        const [one, two] = [divided(list), divided(list.with(at, [list[at]?.[0] ?? "", other]))];
        assert.equal(lastKey(one) === lastKey(two), canonicalJson(one) === canonicalJson(two));
      }),
    );
  });

  it("differ when one op's text spells another op", () => {
    const spelled: readonly (readonly PlannedOp[])[] = [
      [run("a", "b")],
      [run("a b")],
      [run('a","b')],
      [run("a"), run("b")],
      [run('a"]},{"kind":"run","argv":["b')],
      [run(JSON.stringify(run("a", "b")))],
      [run("a", "b", "")],
      [{ ...run("a", "b"), timeoutMs: 1 }],
      [run("a", "b", '"timeoutMs":1')],
      [],
    ];
    const keys = spelled.map((ops) => nextKey(BASE, ops));
    assert.equal(new Set(keys).size, keys.length);
  });
});

function divided(list: readonly (readonly [word: string, start: string])[]): Op[][] {
  const steps: string[][][] = [[[]]];
  for (const [word, start] of list) {
    if (start === "step") steps.push([[]]);
    if (start === "op") steps.at(-1)?.push([]);
    steps.at(-1)?.at(-1)?.push(word);
  }
  return steps.map((ops) => ops.map((argv): Op => ({ kind: "run", argv })));
}

function lastKey(steps: readonly (readonly Op[])[]): Digest {
  return steps.reduce((key, ops) => nextKey(key, ops as readonly PlannedOp[]), bootKey(BASE));
}

/** Steps whose ops are taken as they are, and not made anew by the functions that make ops. */
function handMade(lists: readonly (readonly Op[])[]): Step[] {
  return lists.map((ops, index) => ({ name: `step-${String(index)}`, ops: () => ops }));
}

/** What a key must never ask: each throws while the keys are made. */
const FORBIDDEN: readonly (readonly [object, string])[] = [
  [String.prototype, "localeCompare"],
  [String.prototype, "toLocaleUpperCase"],
  [String.prototype, "toLocaleLowerCase"],
  [Number.prototype, "toLocaleString"],
  [Date, "now"],
  [Math, "random"],
  [process, "cwd"],
  [process, "hrtime"],
  [performance, "now"],
  [Intl, "DateTimeFormat"],
  [Intl, "Collator"],
  [Intl, "NumberFormat"],
];

/** Letters that locales write in capitals, and sort, in different ways. */
const LETTERS: readonly PlannedOp[] = [run("ı", "İ", "z", "ä", "a")];

describe("making keys", () => {
  it("asks neither locale, time, chance nor working directory", () => {
    const steps = stepsOf([[run("ı", "İ", "ß")], [run("a", "1.5")]]);
    const before = keysOf(plan({ steps }));
    const saved = FORBIDDEN.map(
      ([owner, name]) => [owner, name, Object.getOwnPropertyDescriptor(owner, name)] as const,
    );
    try {
      for (const [owner, name] of FORBIDDEN) {
        const value = (): never => {
          throw new TypeError(`${name} was asked`);
        };
        Object.defineProperty(owner, name, { value, configurable: true, writable: true });
      }
      assert.deepEqual(keysOf(plan({ steps })), before);
    } finally {
      for (const [owner, name, descriptor] of saved) {
        if (descriptor) Object.defineProperty(owner, name, descriptor);
        else Reflect.deleteProperty(owner, name);
      }
    }
  });

  it("gives the same in processes with other folders, time zones, locales and environments", function () {
    this.timeout(20_000);
    const keyModule = join(import.meta.dirname, "../../../src/core/key.ts");
    const program = `
      import { bootKey, firstKey, nextKey } from ${JSON.stringify(keyModule)};
      const first = bootKey(firstKey(${JSON.stringify(START)}));
      const next = nextKey(first, ${JSON.stringify(LETTERS)}, { freshBoot: true });
      process.stdout.write(JSON.stringify([first, next]));`;
    const worlds: readonly { readonly cwd: string; readonly env: Readonly<Record<string, string>> }[] = [
      { cwd: "/", env: { TZ: "Pacific/Apia", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" } },
      { cwd: "/tmp", env: { TZ: "America/St_Johns", LANG: "C", HOME: "/nonexistent", KVCI_BUILD_STORE: "/elsewhere" } },
    ];
    const first = bootKey(firstKey(START));
    const expected = JSON.stringify([first, nextKey(first, LETTERS, { freshBoot: true })]);
    const path = process.env["PATH"] ?? "";
    for (const { cwd, env } of worlds) {
      const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", program];
      const text = execFileSync(process.execPath, args, { cwd, env: { PATH: path, ...env }, encoding: "utf8" });
      assert.equal(text, expected);
    }
  });
});

describe("a step made by defineStep", () => {
  it("has the key of the same ops behind a function", () => {
    const ops = [run("a")];
    const steps = [[defineStep("s", ops)], [defineStep("s", () => ops)]];
    const [a, b] = steps.map((each) => keysOf(plan({ steps: each })));
    assert.deepEqual(a, b);
  });
});
