import assert from "node:assert/strict";
import fc from "fast-check";
import { findDigest, parseChecksums } from "../../../src/base/checksum-file.ts";
import { KvciError } from "../../../src/core/error.ts";

const A = "a1".repeat(32);
const B = "b2".repeat(32);
const LONG = "c3".repeat(64);

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,30}$/);
const files = fc.uniqueArray(fc.tuple(name, fc.constantFrom(32, 64), fc.stringMatching(/^[0-9a-f]{128}$/)), {
  selector: ([file]) => file,
  minLength: 1,
  maxLength: 8,
});

type Layout = (file: string, hex: string) => string;
const LAYOUTS: Readonly<Record<string, Layout>> = {
  "GNU binary": (file, hex) => `${hex} *${file}`,
  "GNU text": (file, hex) => `${hex}  ${file}`,
  BSD: (file, hex) => `SHA${hex.length === 64 ? "256" : "512"} (${file}) = ${hex}`,
};

describe("checksum file", () => {
  it("of CentOS is read: BSD layout and comments", () => {
    const text = [
      "# CentOS-Stream-GenericCloud-9-20250812.1.x86_64.qcow2: 1234 bytes",
      `SHA256 (CentOS-Stream-GenericCloud-9-20250812.1.x86_64.qcow2) = ${A}`,
      "",
    ].join("\n");
    assert.equal(
      findDigest(parseChecksums(text), "CentOS-Stream-GenericCloud-9-20250812.1.x86_64.qcow2"),
      `sha256:${A}`,
    );
  });

  it("of Debian and Ubuntu is read: GNU layout, both kinds", () => {
    const sums = parseChecksums(`${LONG}  debian.qcow2\n${A.toUpperCase()} *ubuntu.img\n`);
    assert.equal(findDigest(sums, "debian.qcow2"), `sha512:${LONG}`);
    assert.equal(findDigest(sums, "ubuntu.img"), `sha256:${A}`);
  });

  it("of Fedora is read inside its clear-signed wrapper, dashes unescaped, nothing outside", () => {
    const text = [
      `SHA256 (disk.qcow2) = ${B}`,
      "-----BEGIN PGP SIGNED MESSAGE-----",
      "Hash: SHA256",
      "",
      "# disk.qcow2: 123 bytes",
      `SHA256 (disk.qcow2) = ${A}`,
      `- ${B}  -odd`,
      "-----BEGIN PGP SIGNATURE-----",
      "",
      "iQIz",
      "-----END PGP SIGNATURE-----",
    ].join("\r\n");
    const sums = parseChecksums(text);
    assert.equal(findDigest(sums, "disk.qcow2"), `sha256:${A}`);
    assert.equal(findDigest(sums, "-odd"), `sha256:${B}`);
  });

  for (const [layout, write] of Object.entries(LAYOUTS)) {
    it(`in ${layout} layout comes back as it was written`, () => {
      fc.assert(
        fc.property(files, fc.constantFrom("\n", "\r\n"), fc.boolean(), (list, end, wrapped) => {
          const entries = list.map(([file, bytes, hex]) => [file, hex.slice(0, bytes * 2)] as const);
          const body = entries.map(([file, hex]) => `# ${file}: 9 bytes${end}${write(file, hex)}${end}`).join("");
          const text = wrapped
            ? `-----BEGIN PGP SIGNED MESSAGE-----${end}Hash: SHA256${end}${end}${body}-----BEGIN PGP SIGNATURE-----${end}`
            : body;
          const expected = entries.map(([file, hex]) => [file, `${hex.length === 64 ? "sha256" : "sha512"}:${hex}`]);
          assert.deepEqual([...parseChecksums(text)].sort(), expected.sort());
        }),
      );
    });
  }

  for (const [what, text] of [
    ["MD5 and SHA-1 only", `${"d".repeat(32)}  disk.img\nSHA1 (disk.img) = ${"e".repeat(40)}\n`],
    ["nothing", "# no sums today\n"],
    ["a web page", "<!DOCTYPE html>\n<title>Log in</title>\n"],
    ["two digests of one file", `${A}  disk.img\nSHA256 (disk.img) = ${B}\n`],
    ["a path upwards", `${A}  ../disk.img\n`],
    ["a path", `SHA256 (other/disk.img) = ${A}\n`],
    ["a backslash in a name", `${A}  other\\disk.img\n`],
    ["an escaped name", `\\${A}  disk\\n.img\n`],
    ["a digest of the wrong length for its label", `SHA512 (disk.img) = ${A}\n`],
    ["a clear-signed text without an end", `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${A}  disk.img\n`],
  ] as const) {
    it(`with ${what} is refused`, () => {
      assert.throws(() => parseChecksums(text), { code: "checksum-file-invalid" });
    });
  }

  it("with the same digest twice, or a weak one beside a strong one, is taken", () => {
    const text = `${A}  disk.img\n${A} *./disk.img\nMD5 (disk.img) = ${"d".repeat(32)}\n`;
    assert.deepEqual([...parseChecksums(text)], [["disk.img", `sha256:${A}`]]);
  });

  it("without the file names what it has", () => {
    assert.throws(
      () => findDigest(parseChecksums(`${A}  one.img`), "two.img"),
      (error) => {
        assert.ok(error instanceof KvciError);
        assert.equal(error.code, "checksum-file-invalid");
        assert.deepEqual(error.evidence, ["it names:", "one.img"]);
        return true;
      },
    );
  });

  it("of 2 MB made to take long is read in no time", () => {
    for (const line of ["-----BEGIN PGP SIGNED MESSAGE-----\n", "SHA256 () = ", `${A} *`, "- "]) {
      const startedAt = performance.now();
      assert.throws(() => parseChecksums(line.repeat(2_000_000 / line.length)), { code: "checksum-file-invalid" });
      assert.ok(performance.now() - startedAt < 500, line);
    }
  });

  it("of any content gives checksums or a KvciError, never anything else", () => {
    const piece = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary-ascii" }),
      fc.constantFrom(
        "\n",
        "\r\n",
        " *",
        "SHA256 (",
        ") = ",
        A,
        B,
        LONG,
        "-----BEGIN PGP SIGNED MESSAGE-----\n",
        "\n\n",
        "- ",
        "__proto__",
        "#",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          for (const [file, digest] of parseChecksums(pieces.join(""))) {
            assert.match(digest, /^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/);
            assert.ok(!/[/\\]/.test(file));
          }
        } catch (error) {
          assert.ok(error instanceof KvciError && error.hint !== "", String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});
