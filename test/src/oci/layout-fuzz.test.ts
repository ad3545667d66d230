import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { sha256 } from "../../../src/core/digest.ts";
import { KvciError } from "../../../src/core/error.ts";
import { writeImage } from "../../../src/oci/image.ts";
import { inspectLayout } from "../../../src/oci/inspect.ts";
import { filesBelow, scratchFolder, smallImage } from "./small-image.ts";

type Files = Map<string, Buffer>;
/** A change to a layout, made from numbers so that fast-check can shrink it. */
interface Damage {
  readonly kind: "flip" | "truncate" | "extend" | "delete" | "swap" | "json";
  readonly file: number;
  readonly at: number;
  readonly value: unknown;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom("flip", "truncate", "extend", "delete", "swap", "json"),
  file: fc.nat(),
  at: fc.nat(),
  value: fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(-1, 2 ** 60, "sha256:../x", "", null, [], {}),
    fc.constant(undefined),
  ),
});

/** Reading damage ends in one of two ways; returns whether it was noticed. */
async function noticed(folder: string): Promise<boolean> {
  try {
    await inspectLayout(folder, { verify: true });
    return false;
  } catch (error) {
    assert.ok(error instanceof KvciError, String(error));
    assert.equal(error.code, "layout-invalid");
    assert.ok(error.evidence.length > 0);
    return true;
  }
}

function apply(files: Files, { kind, file, at, value }: Damage): void {
  const [name, bytes] = pick([...files], file);
  if (kind === "delete") files.delete(name);
  else if (kind === "truncate") files.set(name, bytes.subarray(0, at % (bytes.byteLength + 1)));
  else if (kind === "extend") files.set(name, Buffer.concat([bytes, Buffer.from(String(at))]));
  else if (kind === "swap") files.set(name, pick([...files], at)[1]);
  else if (kind === "flip") files.set(name, flipped(bytes, at));
  else files.set(name, mutatedJson(bytes, at, value));
}

function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = (at >> 3) % Math.max(1, copy.byteLength);
  if (copy.byteLength > 0) copy[index] = (copy[index] ?? 0) ^ (1 << (at & 7));
  return copy;
}

/** Replaces one value somewhere in a JSON document; other files stay as they are. */
function mutatedJson(bytes: Buffer, at: number, value: unknown): Buffer {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch {
    return bytes;
  }
  const places: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const holder = node as Record<string, unknown>;
    for (const key of Object.keys(holder)) {
      places.push({ holder, key });
      walk(holder[key]);
    }
  };
  walk(document);
  if (places.length === 0) return bytes;
  const { holder, key } = pick(places, at);
  if (value === undefined) Reflect.deleteProperty(holder, key);
  else holder[key] = value;
  return Buffer.from(JSON.stringify(document));
}

/** Makes digests and sizes that lead to changed documents right again, so that damage reaches the checks behind them. */
function repaired(files: Files, original: Files): Files {
  const result = new Map(files);
  for (let round = 0; round < 3; round += 1) {
    for (const [name, bytes] of [...result]) {
      const hex = name.replace("blobs/sha256/", "");
      const actual = sha256(bytes).slice("sha256:".length);
      if (hex === name || actual === hex) continue;
      result.delete(name);
      result.set(`blobs/sha256/${actual}`, bytes);
      for (const [other, text] of [...result]) {
        if (text.byteLength < 4000 && text.includes(hex)) {
          result.set(other, relinked(text, { hex, actual, original, bytes }));
        }
      }
    }
  }
  return result;
}

function relinked(
  text: Buffer,
  change: { readonly hex: string; readonly actual: string; readonly original: Files; readonly bytes: Buffer },
): Buffer {
  const oldSize = change.original.get(`blobs/sha256/${change.hex}`)?.byteLength ?? 0;
  const linked = text.toString("utf8").replaceAll(change.hex, change.actual);
  return Buffer.from(linked.replaceAll(`"size":${String(oldSize)}`, `"size":${String(change.bytes.byteLength)}`));
}

describe("layout reading under damage", () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let original: Files;
  let runs = 0;

  before(async () => {
    scratch = await scratchFolder();
    await writeImage(join(scratch.path, "image"), await smallImage(scratch.path));
    original = await filesBelow(join(scratch.path, "image"));
  });
  after(() => scratch.remove());

  const check = async (files: Files): Promise<boolean> => {
    const folder = join(scratch.path, `run-${String((runs += 1))}`);
    for (const name of files.keys()) await mkdir(dirname(join(folder, name)), { recursive: true });
    await Promise.all([...files].map(([name, bytes]) => writeFile(join(folder, name), bytes)));
    try {
      return await noticed(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  it("reads the undamaged layout", async () => {
    assert.equal(await check(new Map(original)), false);
  });

  it("notices every changed, missing or cut blob", async function () {
    this.timeout(30_000);
    const harmful = damage.filter(({ kind }) => kind === "flip" || kind === "delete" || kind === "extend");
    await fc.assert(
      fc.asyncProperty(harmful, async (one) => {
        const blobs = new Map([...original].filter(([name]) => name.startsWith("blobs/")));
        apply(blobs, one);
        const rest = [...original].filter(([name]) => !name.startsWith("blobs/"));
        assert.equal(await check(new Map([...rest, ...blobs])), true);
      }),
      { numRuns: 40 },
    );
  });

  it("reads fine or says layout-invalid, whatever is done to the files", async function () {
    this.timeout(30_000);
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), fc.boolean(), async (list, repair) => {
        const files: Files = new Map(original);
        for (const one of list) if (files.size > 0) apply(files, one);
        await check(repair ? repaired(files, original) : files);
      }),
      { numRuns: 120 },
    );
  });
});
