import assert from "node:assert/strict";
import fc from "fast-check";
import { Header, type HeaderData } from "tar/header";
import { NotConvertible } from "../../../src/images/overlay-layer.ts";
import { decodePaxRecords, encodeMember, encodePaxRecord, type Member } from "../../../src/images/raw-tar.ts";
import { paddingBytes } from "../../../src/oci/tar-header.ts";
import { convert, memberBytes, TAR_END, file } from "./layer-tar.ts";

/** A header by the `tar` library, with content. */
function libraryMember(fields: Partial<HeaderData>, content = ""): Buffer {
  const block = Buffer.alloc(512);
  new Header({ mode: 0o644, uid: 0, gid: 0, size: Buffer.byteLength(content), ...fields }).encode(block);
  return Buffer.concat([block, Buffer.from(content), Buffer.alloc(paddingBytes(Buffer.byteLength(content)))]);
}

const records = (...pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([name, value]) => encodePaxRecord(name, value)).join("");

const paxHeader = (content: string): Buffer => libraryMember({ path: "pax", type: "ExtendedHeader" }, content);

async function onlyMember(...parts: readonly Buffer[]): Promise<Member | undefined> {
  return (await convert(Buffer.concat([...parts, TAR_END]))).members[1];
}

const byteText = (options: fc.ArrayConstraints): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 1, max: 255 }), options).map((bytes) => Buffer.from(bytes).toString("latin1"));

describe("tar of bytes", () => {
  it("keeps every name, target, attribute and number as it is", async () => {
    const name = byteText({ minLength: 1, maxLength: 255 }).filter(
      (text) => !text.includes("/") && !/^(\.{1,2}$|\.wh\.)/.test(text),
    );
    const anyMember = fc.record({
      path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/")),
      linkPath: byteText({ minLength: 1, maxLength: 300 }),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.integer({ min: 0, max: 0xfffffffe }),
      gid: fc.integer({ min: 0, max: 0xfffffffe }),
      mtime: fc.integer({ min: 0, max: 9_000_000_000 }).map(String),
      security: fc.array(fc.integer({ min: 0, max: 255 })).map((bytes) => Buffer.from(bytes).toString("latin1")),
    });
    await fc.assert(
      fc.asyncProperty(anyMember, async ({ security, path, ...fields }) => {
        const xattrs = new Map([["security.any", security]]);
        const entry = { ...fields, path, type: "symlink", xattrs } as const;
        const member = (await convert([entry])).members.at(-1);
        const size = { sizeBytes: 0, deviceMajor: 0, deviceMinor: 0 };
        assert.deepEqual({ ...size, ...member }, { ...member, ...size, ...entry, path: `fs/${path}` });
      }),
      { numRuns: 60 },
    );
  });

  it("has pax headers only where a header is too small", () => {
    const plain = { ...file("a"), type: "file", mode: 0, uid: 0, gid: 0, mtime: "0", xattrs: undefined } as const;
    const member: Member = { ...plain, linkPath: "", sizeBytes: 0, deviceMajor: 0, deviceMinor: 0 };
    const blocks = (fields: Partial<Member>): number => encodeMember({ ...member, ...fields }).byteLength / 512;
    assert.equal(blocks({ path: `${"d".repeat(155)}/${"f".repeat(100)}`, uid: 0o7777777, mtime: "8589934591" }), 1);
    assert.equal(blocks({ path: "\xff".repeat(100), linkPath: "l".repeat(100), sizeBytes: 8 * 1024 ** 3 - 1 }), 1);
    for (const fields of [
      { path: "f".repeat(101) },
      { linkPath: "l".repeat(101) },
      { sizeBytes: 8 * 1024 ** 3 },
      { gid: 0o10000000 },
      { mtime: "1.5" },
      { xattrs: new Map([["user.a", ""]]) },
    ]) {
      assert.equal(blocks(fields), 3);
    }
  });
});

describe("pax records", () => {
  it("read back as they were written, whatever bytes they hold", () => {
    const key = byteText({ minLength: 1, maxLength: 20 }).filter((text) => !text.includes("="));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(key, byteText({ maxLength: 1200 })), { selector: ([name]) => name }),
        (pairs) => {
          assert.deepEqual([...decodePaxRecords(Buffer.from(records(...pairs), "latin1"))], pairs);
        },
      ),
    );
  });

  it("are damaged without length, name or end", () => {
    for (const text of ["a=b\n", "6 a=b", "5 =b\n", "99 a=b\n", "6 a=b\n6 a", "0 a=b\n"]) {
      assert.throws(() => decodePaxRecords(Buffer.from(text)), { code: "layout-invalid" }, JSON.stringify(text));
    }
  });

  it("go before a header's fields", async () => {
    const said = records(["path", "p"], ["linkpath", "l"], ["uid", "7"], ["gid", "8"], ["mtime", "9.5"]);
    const member = await onlyMember(paxHeader(said), libraryMember({ path: "x", linkpath: "y", type: "SymbolicLink" }));
    assert.partialDeepStrictEqual(member, { path: "fs/p", linkPath: "l", uid: 7, gid: 8, mtime: "9.5" });
  });

  it("that are empty leave a header's field", async () => {
    assert.equal((await onlyMember(paxHeader(records(["path", ""])), libraryMember({ path: "x" })))?.path, "fs/x");
  });

  it("for all members say nothing, as in containerd", async () => {
    const all = libraryMember({ path: "pax_global_header", type: "GlobalExtendedHeader" }, records(["uid", "7"]));
    assert.partialDeepStrictEqual(await onlyMember(all, memberBytes(file("a"))), { path: "fs/a", uid: 0 });
  });
});

describe("tar of other programs", () => {
  it("may have long names as GNU tar writes them", async () => {
    const [path, linkpath] = [`${"long/".repeat(40)}name`, "target/".repeat(30)];
    const member = await convert(
      Buffer.concat([
        libraryMember({ path: "././@LongLink", type: "NextFileHasLongLinkpath" }, `${linkpath}\0`),
        libraryMember({ path: "././@LongLink", type: "NextFileHasLongPath" }, `${path}\0`),
        libraryMember({ path: "long/", linkpath: "target", type: "SymbolicLink" }),
      ]),
    );
    assert.partialDeepStrictEqual(member.members.at(-1), { path: `fs/${path}`, linkPath: linkpath });
  });

  it("may say directories by a slash only, and large numbers in binary", async () => {
    const old = libraryMember({ path: "d/", uid: 3_000_000 });
    old[156] = 0;
    const sum = old.subarray(0, 512).reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    old.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    assert.partialDeepStrictEqual(await onlyMember(old), { path: "fs/d/", type: "directory", uid: 3_000_000 });
  });

  it("is left to containerd when it has sparse files or unknown types", async () => {
    const sparse = [paxHeader(records(["GNU.sparse.major", "1"])), libraryMember({ path: "a" })];
    await assert.rejects(onlyMember(...sparse), NotConvertible);
    for (const type of ["OldGnuLongPath", "SparseFile", "ContiguousFile", "TapeVolumeHeader"] as const) {
      await assert.rejects(onlyMember(libraryMember({ path: "a", type })), NotConvertible, type);
    }
  });
});
