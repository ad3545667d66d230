import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { command } from "./command.ts";
import type { SigningKey } from "./signing-key.ts";

/** A small package; what is left out is not in it. */
export interface RpmPackage {
  readonly name: string;
  /** `1.31.14-150500.1.1`, with `epoch:` in front where there is one. */
  readonly version: string;
  /** Default: `noarch`. */
  readonly arch?: string;
  /** As a spec file has them: `glibc >= 2.34`. */
  readonly depends?: readonly string[];
  readonly recommends?: readonly string[];
  readonly provides?: readonly string[];
  readonly conflicts?: readonly string[];
  /** Contents by absolute path; below a `bin` or `sbin` they are executable. */
  readonly files?: Readonly<Record<string, string>>;
  /** `post`, `preun` …: shell scripts without a first line. */
  readonly scripts?: Readonly<Record<string, string>>;
}

/** Builds the package. @returns the file. */
async function rpmPackage(folder: string, rpm: RpmPackage): Promise<string> {
  const top = await mkdtemp(join(tmpdir(), "kvci-rpm-"));
  const { name, arch = "noarch" } = rpm;
  await writeFile(join(top, "package.spec"), specFile(rpm));
  for (const [index, content] of Object.values(rpm.files ?? {}).entries()) {
    await writeFile(join(top, `source-${index}`), content);
  }
  const defines = {
    _topdir: top,
    _sourcedir: top,
    _rpmdir: folder,
    _rpmfilename: "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
  };
  await mkdir(folder, { recursive: true });
  await command(["rpmbuild", "-bb", "--target", arch, "--quiet", ...definitions(defines), join(top, "package.spec")]);
  await rm(top, { recursive: true });
  return join(folder, `${name}-${rpm.version.replace(/^\d+:/, "")}.${arch}.rpm`);
}

function definitions(macros: Readonly<Record<string, string>>): string[] {
  return Object.entries(macros).flatMap(([name, value]) => ["--define", `${name} ${value}`]);
}

function specFile(rpm: RpmPackage): string {
  const { name, version, files = {}, scripts = {} } = rpm;
  const [, epoch, plain = "", release = ""] = /^(?:(\d+):)?([^-]+)-([^-]+)$/.exec(version) ?? [];
  const paths = Object.keys(files);
  return [
    `Name: ${name}`,
    ...(epoch === undefined ? [] : [`Epoch: ${epoch}`]),
    `Version: ${plain}`,
    `Release: ${release}`,
    `Summary: ${name} for tests`,
    "License: Apache-2.0",
    "AutoReqProv: no",
    ...relations(rpm),
    "%description",
    `${name} for tests`,
    "%install",
    ...paths.map((path, index) => `install -D -m ${modeOf(path)} %{_sourcedir}/source-${index} %{buildroot}${path}`),
    ...Object.entries(scripts).flatMap(([script, text]) => [`%${script}`, text]),
    "%files",
    ...paths,
    "",
  ].join("\n");
}

function relations({ depends, recommends, provides, conflicts }: RpmPackage): string[] {
  const fields = { Requires: depends, Recommends: recommends, Provides: provides, Conflicts: conflicts };
  return Object.entries(fields).flatMap(([field, values = []]) => values.map((value) => `${field}: ${value}`));
}

function modeOf(path: string): string {
  return /\/s?bin\//.test(path) ? "0755" : "0644";
}

export interface RpmRepositoryOptions {
  /** Made here, or .rpm files to copy. */
  readonly packages: readonly (RpmPackage | string)[];
  readonly key: SigningKey;
  /** Signs the repository's index as well: `repomd.xml.asc`. Default: false. */
  readonly signedIndex?: boolean;
}

/** Makes a repository of signed packages in `folder`, or makes its index anew after packages were added or changed. */
export async function rpmRepository(
  folder: string,
  { packages, key, signedIndex = false }: RpmRepositoryOptions,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const each of packages) {
    if (typeof each === "string") await copyFile(each, join(folder, basename(each)));
    else await rpmPackage(folder, each);
  }
  const env = { GNUPGHOME: key.gpgHome };
  const files = (await readdir(folder)).filter((file) => file.endsWith(".rpm"));
  const sign = ["rpmsign", "--addsign", ...definitions({ _gpg_name: key.fingerprint, __gpg: "/usr/bin/gpg" })] as const;
  if (files.length > 0) await command([...sign, ...files] as unknown as [string, ...string[]], { cwd: folder, env });
  await rm(join(folder, "repodata"), { recursive: true, force: true });
  await command(["createrepo_c", "--quiet", "."], { cwd: folder });
  const index = join(folder, "repodata/repomd.xml");
  if (signedIndex) await writeFile(`${index}.asc`, await key.detach(index));
}
