import assert from "node:assert/strict";
import fc from "fast-check";
import { MarkerParser, type ScriptSignal } from "../../../src/machine/marker-parser.ts";

const NONCE = "4f1c";

/** Text pieces that follow each other are one text to a reader. */
function joined(signals: readonly ScriptSignal[]): ScriptSignal[] {
  const result: ScriptSignal[] = [];
  for (const signal of signals) {
    const last = result.at(-1);
    if (signal.kind === "text" && last?.kind === "text") {
      result[result.length - 1] = { kind: "text", text: last.text + signal.text };
    } else result.push(signal);
  }
  return result;
}

function parse(chunks: readonly string[]): ScriptSignal[] {
  const parser = new MarkerParser(NONCE);
  return joined([...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()]);
}

describe("MarkerParser", () => {
  const stream = `before\u001e${NONCE} begin 0 0\nhello\u001e${NONCE} end 0 3\nafter`;

  it("tells text and markers apart, also where the output does not end in a newline", () => {
    assert.deepEqual(parse([stream]), [
      { kind: "text", text: "before" },
      { kind: "begin", index: 0 },
      { kind: "text", text: "hello" },
      { kind: "end", index: 0, status: 3 },
      { kind: "text", text: "after" },
    ]);
  });

  it("does not depend on how the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 8 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const chunks = edges.slice(1).map((edge, index) => stream.slice(edges[index], edge));
        assert.deepEqual(parse(chunks), parse([stream]));
      }),
    );
  });

  it("passes text on at once, and loses none that only looks like a marker", () => {
    const parser = new MarkerParser(NONCE);
    assert.deepEqual(parser.push("progress 10%"), [{ kind: "text", text: "progress 10%" }]);
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("\u001e", "4", "f", "1", "c", " ", "b", "\n", "9"), maxLength: 60 }),
        (text) => {
          assert.equal(
            parse([text])
              .map((signal) => (signal.kind === "text" ? signal.text : "?"))
              .join(""),
            text,
          );
        },
      ),
    );
  });
});
