import assert from "node:assert/strict";
import fc from "fast-check";
import type { StampedEvent } from "../../../src/core/event.ts";
import { createRedactor, redactingSink } from "../../../src/journal/redaction.ts";
import { stamped } from "./fake-terminal.ts";

const SECRET = "s3cr3t/T0ken+with='quotes\"&%";

function inChunks(secrets: readonly string[], chunks: readonly string[]): string {
  const filter = createRedactor(secrets).stream();
  return [...chunks.flatMap((chunk) => filter.push(chunk)), ...filter.flush()].join("");
}

function cutAt(text: string, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, index) => text.slice(start, places[index] ?? text.length));
}

describe("redactor", () => {
  const redactor = createRedactor([SECRET]);

  it("masks a secret and keeps the text around it", () => {
    assert.equal(redactor.redact(`login with ${SECRET}, please`), "login with ***, please");
  });

  const encodings: readonly (readonly [string, string])[] = [
    ["URL-encoded", encodeURIComponent(SECRET)],
    ["URL-encoded in lower case", encodeURIComponent(SECRET).replace(/%../g, (code) => code.toLowerCase())],
    ["form-encoded", new URLSearchParams({ s: SECRET }).toString().slice(2)],
    ["JSON-escaped", JSON.stringify(SECRET).slice(1, -1)],
    ["shell-quoted", SECRET.replaceAll("'", `'\\''`)],
    ["hexadecimal", Buffer.from(SECRET).toString("hex")],
    ["upper-case hexadecimal", Buffer.from(SECRET).toString("hex").toUpperCase()],
  ];
  for (const [name, text] of encodings) {
    it(`masks a secret that is ${name}`, () => {
      assert.equal(redactor.redact(`<${text}>`), "<***>");
    });
  }

  for (const before of ["", "u", "us", "user:"]) {
    for (const encoding of ["base64", "base64url"] as const) {
      it(`masks ${encoding} of a secret behind ${String(before.length)} other bytes`, () => {
        const text = Buffer.from(`${before}${SECRET}\n`).toString(encoding);
        const kept = redactor.redact(text).replace("***", "").replace(/=+$/, "");
        // What stays are the digits of the bytes before, and those that the secret shares with its neighbours.
        assert.ok(kept.length <= Math.ceil((before.length * 8) / 6) + 3, kept);
      });
    }
  }

  it("masks a long secret in base64 that is broken into lines", () => {
    const long = Array.from({ length: 40 }, (_, index) => `part-${String(index)}`).join("/");
    const text = (
      Buffer.from(long)
        .toString("base64")
        .match(/.{1,76}/g) ?? []
    ).join("\n");
    assert.match(createRedactor([long]).redact(text), /^[*\n]+[\w+/]{0,15}=*$/);
  });

  it("leaves text alone that only shares short values", () => {
    assert.equal(createRedactor(["root", "a", ""]).redact("root has a home"), "root has a home");
  });

  it("masks a multi-line secret as a whole and by its long lines, but not the frame of a PEM file", () => {
    const pem =
      "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nshort\n-----END OPENSSH PRIVATE KEY-----\n";
    const masking = createRedactor([pem]);
    assert.equal(masking.redact(`<${pem}>`), "<***>");
    assert.equal(masking.redact(pem.replaceAll("\n", "\r\n")).trim(), "***");
    assert.equal(masking.redact("key: b3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nshort"), "key: ***\nshort");
    assert.equal(masking.redact("-----BEGIN OPENSSH PRIVATE KEY-----\nx"), "-----BEGIN OPENSSH PRIVATE KEY-----\nx");
  });

  it("masks overlapping secrets as one", () => {
    assert.equal(inChunks(["abcdefgh", "ghijklmn"], ["x abcdefghijkl", "mn y"]), "x *** y");
    assert.equal(inChunks(["aaaaaa"], ["a".repeat(50), "a".repeat(50), "b"]), "***b");
  });

  it("holds back no more than a secret, also in text that repeats its beginning", () => {
    const filter = createRedactor(["aaaaaab"]).stream();
    let released = 0;
    for (let count = 0; count < 1_000; count += 1) released += filter.push("aaaa").join("").length;
    assert.ok(released >= 4_000 - 7);
  });

  it("chooses a mask that cannot complete a secret", () => {
    const text = inChunks(["a***b1"], ["a", "a***b1", "b1"]);
    assert.ok(!text.includes("a***b1"), text);
  });

  it("lets no secret through and keeps the rest, wherever the text is cut", () => {
    const unit = fc.string({ unit: fc.constantFrom("a", "b", "c", "/", "'", "\n", "é"), minLength: 6, maxLength: 14 });
    const filler = fc.string({ unit: fc.constantFrom("a", "b", "x", " ", "\n"), maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(unit, { minLength: 1, maxLength: 3 }),
        fc.array(filler, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (secrets, fillers, cuts) => {
          const text = fillers.map((part, index) => part + (secrets[index % secrets.length] ?? "")).join("");
          const output = inChunks(secrets, cutAt(text, cuts));
          for (const secret of secrets) assert.ok(!output.includes(secret));
          assert.equal(output, createRedactor(secrets).redact(text), "chunks make no difference");
          // Everything that is kept stands in the text, in order.
          let from = 0;
          for (const piece of output.split("***")) {
            from = text.indexOf(piece, from) + piece.length;
            assert.ok(from >= piece.length);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("keeps every character around a random secret", () => {
    const secret = fc.stringMatching(/^[A-J0-9]{8,40}$/);
    const around = fc.stringMatching(/^[k-z \n=]{0,30}$/);
    fc.assert(
      fc.property(fc.tuple(around, secret, around), fc.array(fc.nat(), { maxLength: 8 }), (parts, cuts) => {
        const [before, value, after] = parts;
        assert.equal(inChunks([value], cutAt(before + value + after, cuts)), `${before}***${after}`);
      }),
      { numRuns: 300 },
    );
  });

  it("reaches every string of plain data", () => {
    assert.deepEqual(redactor.redactAll({ a: [SECRET, { b: SECRET }], n: 1, z: null }), {
      a: ["***", { b: "***" }],
      n: 1,
      z: null,
    });
  });
});

describe("redacting sink", () => {
  const written: StampedEvent[] = [];
  const sink = redactingSink(createRedactor([SECRET]), { write: (event) => written.push(event) });
  const text = (): string =>
    written.map(({ event }) => (event.type === "output" ? event.text : `[${event.type}]`)).join("");

  beforeEach(() => {
    written.length = 0;
  });

  it("masks argv, details, summaries, URLs, build and span names", () => {
    sink.write(
      stamped({ type: "program-started", argv: ["curl", "-H", `Authorization: ${SECRET}`], pid: 1 }, [`x ${SECRET}`]),
    );
    sink.write(stamped({ type: "warning", subject: "w", detail: SECRET }));
    sink.write(stamped({ type: "op-started", index: 0, total: 1, summary: `echo ${SECRET}` }));
    sink.write(stamped({ type: "mirror-failed", url: "https://me:pw@host/x?X-Amz-Signature=abc&b=1", reason: "r" }));
    const all = JSON.stringify(written);
    assert.ok(!all.includes("T0ken"));
    assert.match(all, /https:\/\/\*\*\*@host\/x\?X-Amz-Signature=\*\*\*&b=1/);
  });

  it("masks a secret that two chunks of a stream share, with the other stream between them", () => {
    sink.write(stamped({ type: "output", stream: "stdout", text: `one ${SECRET.slice(0, 9)}` }, ["s"]));
    sink.write(stamped({ type: "output", stream: "stderr", text: "between " }, ["s"]));
    sink.write(stamped({ type: "output", stream: "stdout", text: `${SECRET.slice(9)} two` }, ["s"]));
    assert.equal(text(), "one between *** two");
  });

  it("gives back what it held when the op ends, before that event", () => {
    sink.write(stamped({ type: "output", stream: "stdout", text: "ends like s3cr3t" }, ["s"]));
    sink.write(stamped({ type: "op-ended", index: 0, status: 0, durationMs: 1 }, ["s"]));
    assert.equal(text(), "ends like s3cr3t[op-ended]");
  });

  it("waits for late standard error until the span ends", () => {
    sink.write(stamped({ type: "output", stream: "stderr", text: SECRET.slice(0, 9) }, ["p", "s"]));
    sink.write(stamped({ type: "op-ended", index: 0, status: 1, durationMs: 1 }, ["p", "s"]));
    sink.write(stamped({ type: "output", stream: "stderr", text: `${SECRET.slice(9)}; s3cr` }, ["p", "s"]));
    sink.write(stamped({ type: "span-ended", name: "p", kind: "phase", ok: false, durationMs: 1 }));
    assert.equal(text(), "[op-ended]***; s3cr[span-ended]");
  });

  it("keeps the streams of parallel builds apart", () => {
    sink.write(stamped({ type: "output", stream: "stdout", text: SECRET.slice(0, 9) }, ["s"], "one"));
    sink.write(stamped({ type: "output", stream: "stdout", text: `${SECRET.slice(9)}\n` }, ["s"], "two"));
    sink.write(stamped({ type: "span-ended", name: "s", kind: "step", ok: true, durationMs: 1 }, [], "one"));
    assert.equal(text(), `${SECRET.slice(9)}\n${SECRET.slice(0, 9)}[span-ended]`);
  });

  it("gives back what it held on close, and closes the sink behind it", async () => {
    const seen: string[] = [];
    const other = redactingSink(createRedactor([SECRET]), {
      write: ({ event }) => seen.push(event.type),
      close: () => Promise.resolve(void seen.push("closed")),
    });
    other.write(stamped({ type: "output", stream: "stderr", text: "s3cr3t" }));
    await other.close?.();
    assert.deepEqual(seen, ["output", "closed"]);
  });
});
