import { PackageURL } from "packageurl-js";
import type { InstalledPackage } from "../core/builder.ts";

/** The system packages come from, as in os-release: "debian" and "12". */
export interface PackageOrigin {
  readonly distribution: string;
  readonly release: string;
}

const DEB_DISTRIBUTIONS: ReadonlySet<string> = new Set(["debian", "ubuntu"]);

/**
 * The package URL that vulnerability scanners look packages up by, for example
 * `pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12`. An RPM's epoch is a qualifier there, a deb's stays in the version.
 *
 * @returns undefined for a name that no package URL can hold.
 */
export function packageUrl(item: InstalledPackage, { distribution, release }: PackageOrigin): string | undefined {
  const type = DEB_DISTRIBUTIONS.has(distribution) ? "deb" : "rpm";
  const { epoch, version } = type === "rpm" ? splitEpoch(item.version) : { epoch: undefined, version: item.version };
  const qualifiers = {
    arch: item.arch,
    distro: `${distribution}-${release}`,
    ...(epoch === undefined ? {} : { epoch }),
  };
  try {
    return new PackageURL(type, distribution, item.name, version, qualifiers, undefined).toString();
  } catch {
    return undefined;
  }
}

function splitEpoch(evr: string): { readonly epoch?: string | undefined; readonly version: string } {
  const match = /^(\d+):(.*)$/.exec(evr);
  return match?.[2] === undefined ? { version: evr } : { epoch: match[1], version: match[2] };
}
