import assert from "node:assert/strict";
import fc from "fast-check";
import { Header, Pax } from "tar";
import { streamSource } from "../../../src/oci/byte-source.ts";
import { listTar, type TarListing } from "../../../src/oci/tar-list.ts";

type HeaderData = NonNullable<Exclude<ConstructorParameters<typeof Header>[0], Buffer>>;

const END = Buffer.alloc(1024);

function header(data: HeaderData): Buffer {
  const block = Buffer.alloc(512);
  new Header({ mode: 0o644, uid: 1, gid: 2, size: 0, type: "File", ...data }).encode(block);
  return block;
}

/** In chunks of an odd length, so that nothing lines up. */
async function* chunks(bytes: Buffer, length = 333): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.byteLength; start += length) {
    yield await Promise.resolve(bytes.subarray(start, start + length));
  }
}

const list = (...parts: readonly Buffer[]): Promise<TarListing> => listTar(streamSource(chunks(Buffer.concat(parts))));
const withContent = (data: HeaderData, content: string): Buffer => {
  const padded = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  padded.write(content);
  return Buffer.concat([header({ ...data, size: content.length }), padded]);
};

describe("tar listing", () => {
  it("passes over contents that look like headers", async () => {
    const inner = header({ path: "inner" }).toString("latin1");
    const { files, problems } = await list(withContent({ path: "outer" }, inner), header({ path: "next" }), END);
    assert.deepEqual(
      files.map(({ path }) => path),
      ["outer", "next"],
    );
    assert.deepEqual(problems, []);
  });

  it("takes a pax header for the next entry only", async () => {
    const pax = new Pax({ path: "long/".repeat(60) + "x", size: 3 }).encode();
    const { files } = await list(pax, withContent({ path: "short" }, "abc"), header({ path: "next" }), END);
    assert.deepEqual(
      files.map(({ path, sizeBytes }) => [path.length, sizeBytes]),
      [
        [301, 3],
        [4, 0],
      ],
    );
  });

  it("reads GNU's long paths", async () => {
    const long = withContent({ path: "././@LongLink", type: "NextFileHasLongPath" }, `${"d/".repeat(100)}x\0`);
    const { files } = await list(long, header({ path: "cut" }), END);
    assert.equal(files[0]?.path, `${"d/".repeat(100)}x`);
  });

  it("names types other than files", async () => {
    const { files } = await list(
      header({ path: "l", type: "SymbolicLink", linkpath: "t" }),
      header({ path: "d/", type: "Directory" }),
      END,
    );
    assert.deepEqual(
      files.map(({ path, type }) => [path, type]),
      [
        ["l", "SymbolicLink"],
        ["d", "Directory"],
      ],
    );
  });

  it("reports a path that leaves the image", async () => {
    const { problems } = await list(header({ path: "../../etc/passwd" }), END);
    assert.deepEqual(problems, ['entry 1 of its tar names "../../etc/passwd", which leaves the image']);
  });

  it("reports a pax header with an impossible size", async () => {
    for (const size of ["-1", "1e400", "abc", "9007199254740993"]) {
      const record = `size=${size}\n`;
      const body = `${String(record.length + 3)} ${record}`;
      const { problems } = await list(
        withContent({ path: "pax", type: "ExtendedHeader" }, body),
        header({ path: "x" }),
        END,
      );
      assert.ok(problems.length <= 1);
    }
    const huge = header({ path: "pax", type: "ExtendedHeader", size: 2 ** 40 });
    assert.deepEqual((await list(huge, END)).problems, [
      "entry 1 of its tar has an extended header of impossible size",
    ]);
  });

  it("does not wait for a content that is not there", async () => {
    const { problems } = await list(header({ path: "x", size: 2 ** 50 }), END);
    assert.deepEqual(problems, ["entry 2 of its tar is cut off"]);
  });

  it("ends with a list, whatever the bytes", async () => {
    const base = Buffer.concat([
      new Pax({ path: "p".repeat(200), size: 3 }).encode(),
      withContent({ path: "f" }, "abc"),
      END,
    ]);
    const change = fc.array(fc.tuple(fc.nat({ max: base.byteLength - 1 }), fc.nat({ max: 255 })), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        change,
        fc.nat({ max: base.byteLength }),
        fc.boolean(),
        async (changes, length, fixChecksums) => {
          const bytes = Buffer.from(base);
          for (const [at, value] of changes) bytes[at] = value;
          if (fixChecksums) {
            for (let at = 0; at < bytes.byteLength; at += 512) fixChecksum(bytes.subarray(at, at + 512));
          }
          const { files, problems } = await list(bytes.subarray(0, length));
          assert.ok(Array.isArray(files) && Array.isArray(problems));
        },
      ),
      { numRuns: 500 },
    );
  });
});

/** So that damage gets past the first check. */
function fixChecksum(block: Buffer): void {
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
