import assert from "node:assert/strict";
import fc from "fast-check";
import { z } from "zod";
import { sha256 } from "../../../src/core/digest.ts";
import { spdxDocument, type SbomInput } from "../../../src/sbom/spdx.ts";

const input: SbomInput = {
  name: "quickstart-amd64",
  digest: sha256("disk"),
  created: "2026-11-20T10:00:00.123Z",
  distribution: "debian",
  release: "12",
  toolVersion: "0.1.0",
  packages: [
    { name: "zlib1g", version: "1:1.2.13.dfsg-1", arch: "amd64" },
    { name: "bash", version: "5.2.15-2+b7", arch: "amd64" },
  ],
};

const id = z.string().regex(/^SPDXRef-[A-Za-z0-9.-]+$/);

/** What the SPDX 2.3 JSON schema and the specification's text ask of the members we write; nothing else may be there. */
const spdxSchema = z.strictObject({
  spdxVersion: z.literal("SPDX-2.3"),
  dataLicense: z.literal("CC0-1.0"),
  SPDXID: z.literal("SPDXRef-DOCUMENT"),
  name: z.string().min(1),
  documentNamespace: z.url().refine((url) => !url.includes("#")),
  creationInfo: z.strictObject({
    created: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    creators: z.array(z.string().regex(/^(?:Tool|Organization|Person): /)).min(1),
  }),
  packages: z.array(
    z.strictObject({
      SPDXID: id,
      name: z.string(),
      versionInfo: z.string(),
      downloadLocation: z.literal("NOASSERTION"),
      filesAnalyzed: z.literal(false),
      primaryPackagePurpose: z.literal("OPERATING-SYSTEM").optional(),
      checksums: z
        .array(
          z.strictObject({ algorithm: z.enum(["SHA256", "SHA512"]), checksumValue: z.string().regex(/^[0-9a-f]+$/) }),
        )
        .optional(),
      externalRefs: z
        .array(
          z.strictObject({
            referenceCategory: z.literal("PACKAGE-MANAGER"),
            referenceType: z.literal("purl"),
            referenceLocator: z.string().regex(/^pkg:[a-z]+\/\S+$/),
          }),
        )
        .optional(),
    }),
  ),
  relationships: z.array(
    z.strictObject({
      spdxElementId: id,
      relationshipType: z.enum(["DESCRIBES", "CONTAINS"]),
      relatedSpdxElement: id,
    }),
  ),
});

describe("SPDX document", () => {
  it("describes the disk, which contains every package", () => {
    const document = spdxDocument(input);
    assert.deepEqual(document.relationships, [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: "SPDXRef-Disk" },
      {
        spdxElementId: "SPDXRef-Disk",
        relationshipType: "CONTAINS",
        relatedSpdxElement: "SPDXRef-Package-bash-5.2.15-2-b7-amd64",
      },
      {
        spdxElementId: "SPDXRef-Disk",
        relationshipType: "CONTAINS",
        relatedSpdxElement: "SPDXRef-Package-zlib1g-1-1.2.13.dfsg-1-amd64",
      },
    ]);
    assert.deepEqual(document.packages[0]?.checksums, [
      { algorithm: "SHA256", checksumValue: sha256("disk").slice("sha256:".length) },
    ]);
  });

  it("gives packages their package URL", () => {
    assert.deepEqual(spdxDocument(input).packages[1], {
      SPDXID: "SPDXRef-Package-bash-5.2.15-2-b7-amd64",
      name: "bash",
      versionInfo: "5.2.15-2+b7",
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      externalRefs: [
        {
          referenceCategory: "PACKAGE-MANAGER",
          referenceType: "purl",
          referenceLocator: "pkg:deb/debian/bash@5.2.15-2+b7?arch=amd64&distro=debian-12",
        },
      ],
    });
  });

  it("says when and with what it was made, in whole seconds", () => {
    assert.deepEqual(spdxDocument(input).creationInfo, {
      created: "2026-11-20T10:00:00Z",
      creators: ["Tool: kvci-build-0.1.0"],
    });
  });

  it("is the same whatever the order of packages", () => {
    assert.deepEqual(spdxDocument({ ...input, packages: [...input.packages].reverse() }), spdxDocument(input));
  });

  it("has a name of its own for every disk and every list of packages", () => {
    const namespaces = [input, { ...input, digest: sha256("other") }, { ...input, packages: [] }].map(
      (one) => spdxDocument(one).documentNamespace,
    );
    assert.equal(new Set(namespaces).size, 3);
  });

  it("fits the schema with unique ids, whatever packages are called", () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("a+b", "a-b", "", "a/b", "lib@1", "gpg-pubkey"),
    );
    const item = fc.record({ name: text, version: text, arch: fc.constantFrom("amd64", "all", "(none)") });
    fc.assert(
      fc.property(fc.array(item), text, (packages, name) => {
        const document = spdxDocument({ ...input, name: `n${name}`, packages: [...packages, ...packages] });
        spdxSchema.parse(JSON.parse(JSON.stringify(document)));
        assert.equal(new Set(document.packages.map(({ SPDXID }) => SPDXID)).size, 2 * packages.length + 1);
      }),
    );
  });

  it("refuses a date that is none", () => {
    assert.throws(() => spdxDocument({ ...input, created: "yesterday" }), { code: "internal" });
  });
});
