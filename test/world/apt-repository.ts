import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { command } from "./command.ts";
import type { SigningKey } from "./signing-key.ts";

/** A small package; what is left out is not in it. */
export interface DebPackage {
  readonly name: string;
  readonly version: string;
  /** Default: `all`. */
  readonly arch?: string;
  /** As a control file has them: `libc6 (>= 2.36)`. */
  readonly depends?: readonly string[];
  readonly recommends?: readonly string[];
  readonly provides?: readonly string[];
  readonly conflicts?: readonly string[];
  /** Contents by absolute path; below a `bin` or `sbin` they are executable. */
  readonly files?: Readonly<Record<string, string>>;
  /** `postinst`, `prerm` …: shell scripts with their first line. */
  readonly scripts?: Readonly<Record<string, string>>;
}

/** Builds the package. @returns the file, named as in a pool. */
async function debPackage(folder: string, deb: DebPackage): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), "kvci-deb-"));
  const { name, version, arch = "all", files = {}, scripts = {} } = deb;
  await place(tree, { "/DEBIAN/control": control(deb) }, 0o644);
  for (const [path, content] of Object.entries(files)) {
    await place(tree, { [path]: content }, /\/s?bin\//.test(path) ? 0o755 : 0o644);
  }
  for (const [script, content] of Object.entries(scripts)) await place(tree, { [`/DEBIAN/${script}`]: content }, 0o755);
  const file = join(folder, `${name}_${version.replace(/^\d+:/, "")}_${arch}.deb`);
  await mkdir(folder, { recursive: true });
  await command(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, file]);
  await rm(tree, { recursive: true });
  return file;
}

async function place(tree: string, files: Readonly<Record<string, string>>, mode: number): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), content, { mode });
    await chmod(join(tree, path), mode);
  }
}

function control({ name, version, arch = "all", ...relations }: DebPackage): string {
  const list = (field: string, values: readonly string[] = []): string[] =>
    values.length === 0 ? [] : [`${field}: ${values.join(", ")}`];
  return [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${arch}`,
    "Maintainer: Test Packages <packages@example.org>",
    "Section: misc",
    "Priority: optional",
    ...list("Depends", relations.depends),
    ...list("Recommends", relations.recommends),
    ...list("Provides", relations.provides),
    ...list("Conflicts", relations.conflicts),
    `Description: ${name} for tests`,
    "",
  ].join("\n");
}

export interface AptRepositoryOptions {
  /** Made here, or .deb files to copy. */
  readonly packages: readonly (DebPackage | string)[];
  readonly key: SigningKey;
  /** With one, the files are below `dists/<suite>/main` and `pool`; without, all in one folder, as Kubernetes has them. */
  readonly suite?: string;
  /** Architectures with an index of their own, when there is a suite. Default: `["amd64"]`. */
  readonly arches?: readonly string[];
}

/** Makes a signed repository in `folder`, or makes its index anew after packages were added or changed. */
export async function aptRepository(
  folder: string,
  { packages, key, suite, arches = ["amd64"] }: AptRepositoryOptions,
): Promise<void> {
  await fill(suite === undefined ? folder : join(folder, "pool/main"), packages);
  if (suite === undefined) {
    await writePackages(folder, folder, ["packages", "."]);
    await sign(folder, { key, fields: ["Suite=test"] });
    return;
  }
  const release = join(folder, "dists", suite);
  for (const arch of arches) {
    await writePackages(folder, join(release, "main", `binary-${arch}`), ["--arch", arch, "packages", "pool/main"]);
  }
  await sign(release, { key, fields: ["Components=main", `Architectures=${arches.join(" ")}`, `Suite=${suite}`] });
}

async function fill(pool: string, packages: AptRepositoryOptions["packages"]): Promise<void> {
  await mkdir(pool, { recursive: true });
  for (const each of packages) {
    if (typeof each === "string") await copyFile(each, join(pool, basename(each)));
    else await debPackage(pool, each);
  }
}

async function writePackages(folder: string, into: string, scan: readonly string[]): Promise<void> {
  const index = await command(["apt-ftparchive", ...scan], { cwd: folder });
  await mkdir(into, { recursive: true });
  await writeFile(join(into, "Packages"), index);
  await writeFile(join(into, "Packages.gz"), gzipSync(index));
}

async function sign(
  folder: string,
  { key, fields }: { readonly key: SigningKey; readonly fields: readonly string[] },
): Promise<void> {
  for (const old of ["InRelease", "Release", "Release.gpg"]) await rm(join(folder, old), { force: true });
  const options = fields.flatMap((field) => ["-o", `APT::FTPArchive::Release::${field}`]);
  const release = await command(["apt-ftparchive", ...options, "release", "."], { cwd: folder });
  // As the distributions say it; a repository that is copied by its file names has no such folders.
  const text = `Acquire-By-Hash: yes\n${release}`;
  await writeFile(join(folder, "Release"), text);
  await writeFile(join(folder, "Release.gpg"), await key.detach(join(folder, "Release")));
  await writeFile(join(folder, "InRelease"), await key.clearSign(text));
}
