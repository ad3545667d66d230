/** Writes SPDX 2.3 itself: npm has no kept-up SPDX writer (2026-11: only licence-expression tools such as spdx-correct). */
import type { InstalledPackage } from "../core/builder.ts";
import { digestOfValue, shortDigest, type Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";
import { packageUrl, type PackageOrigin } from "./purl.ts";

/** What the document is about: one disk and what is installed on it. */
export interface SbomInput extends PackageOrigin {
  /** Name of the disk, for example `quickstart-amd64`. */
  readonly name: string;
  /** Of the disk's file. */
  readonly digest: Digest;
  /** ISO 8601. SPDX has no fractions of a second: they are dropped. */
  readonly created: string;
  readonly packages: readonly InstalledPackage[];
  /** Of kvci-build. */
  readonly toolVersion: string;
}

export interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
  readonly downloadLocation: "NOASSERTION";
  readonly filesAnalyzed: false;
  readonly primaryPackagePurpose?: "OPERATING-SYSTEM";
  readonly checksums?: readonly { readonly algorithm: "SHA256" | "SHA512"; readonly checksumValue: string }[];
  readonly externalRefs?: readonly {
    readonly referenceCategory: "PACKAGE-MANAGER";
    readonly referenceType: "purl";
    readonly referenceLocator: string;
  }[];
}

export interface SpdxDocument {
  readonly spdxVersion: "SPDX-2.3";
  readonly dataLicense: "CC0-1.0";
  readonly SPDXID: "SPDXRef-DOCUMENT";
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: { readonly created: string; readonly creators: readonly string[] };
  readonly packages: readonly SpdxPackage[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: "DESCRIBES" | "CONTAINS";
    readonly relatedSpdxElement: string;
  }[];
}

const DISK_ID = "SPDXRef-Disk";

/**
 * The software on a disk as an SPDX 2.3 document. The same input gives the same document, whatever the order of packages.
 *
 * @throws {KvciError} `internal` when `created` is not a date.
 */
export function spdxDocument(input: SbomInput): SpdxDocument {
  const packages = [...input.packages].sort((a, b) => compare(sortKey(a), sortKey(b)));
  const idOf = idSource();
  const installed = packages.map((item) => installedPackage(item, idOf(item), input));
  // Every document needs a name of its own in the world: equal ones are equal documents.
  const identity = digestOfValue({ ...input, packages: packages.map(sortKey) });
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: input.name,
    documentNamespace: `https://kubevirt.io/kvci-build/spdx/${encodeURIComponent(input.name)}/${identity.replace(":", "-")}`,
    creationInfo: { created: wholeSeconds(input.created), creators: [`Tool: kvci-build-${input.toolVersion}`] },
    packages: [diskPackage(input), ...installed],
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: DISK_ID },
      ...installed.map(({ SPDXID }) => ({
        spdxElementId: DISK_ID,
        relationshipType: "CONTAINS" as const,
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
}

function diskPackage({ name, digest }: SbomInput): SpdxPackage {
  const [algorithm = "", checksumValue = ""] = digest.split(":");
  return {
    SPDXID: DISK_ID,
    name,
    versionInfo: shortDigest(digest),
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    primaryPackagePurpose: "OPERATING-SYSTEM",
    checksums: [{ algorithm: algorithm === "sha512" ? "SHA512" : "SHA256", checksumValue }],
  };
}

function installedPackage(item: InstalledPackage, id: string, origin: PackageOrigin): SpdxPackage {
  const purl = packageUrl(item, origin);
  return {
    SPDXID: id,
    name: item.name,
    versionInfo: item.version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    ...(purl === undefined ? {} : { externalRefs: [purlReference(purl)] }),
  };
}

function purlReference(referenceLocator: string): NonNullable<SpdxPackage["externalRefs"]>[number] {
  return { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator };
}

/** Ids hold letters, digits, dots and dashes only; what collides by that is counted up. */
function idSource(): (item: InstalledPackage) => string {
  const used = new Set<string>();
  return ({ name, version, arch }) => {
    const plain = `SPDXRef-Package-${name}-${version}-${arch}`.replace(/[^A-Za-z0-9.-]+/g, "-");
    let id = plain;
    for (let count = 2; used.has(id); count += 1) id = `${plain}-${String(count)}`;
    used.add(id);
    return id;
  };
}

function sortKey({ name, version, arch }: InstalledPackage): string {
  return `${name}\0${version}\0${arch}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function wholeSeconds(created: string): string {
  const date = new Date(created);
  if (!Number.isNaN(date.getTime())) return date.toISOString().replace(/\.\d+Z$/, "Z");
  throw new KvciError("internal", `"${created}" is not a date an SBOM could have been made at`, {
    hint: "Report this.",
  });
}
