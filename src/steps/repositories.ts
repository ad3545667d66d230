import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { RepositoryNeed } from "../core/need.ts";
import type { ImageOp } from "../core/op.ts";
import { fetchIn, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { forgetAptLists } from "./apt-install.ts";
import { lines } from "./script.ts";
import { checkStep, fileName, placeFile, textOrFile, unfitStep } from "./step-input.ts";

/** Ops are printed and hashed, so a user name or a password in a URL would end in every log. */
const repositoryUrl = z
  .url({ protocol: /^https?$/, error: "an http or https URL is needed" })
  .refine((url) => !/^[^/]*\/\/[^/]*@/.test(url), "a repository's URL cannot hold a user name or a password");

const suite = z
  .string()
  .regex(/^(?:[A-Za-z0-9][A-Za-z0-9./-]*|\.?\/)$/, 'a suite such as "bookworm", or "/" for a flat repository');

const aptSchema = recordOf({
  uris: z.array(repositoryUrl).min(1),
  /** For example `["bookworm"]`; `["/"]` for a repository without suites. */
  suites: z.array(suite).min(1),
  /** For example `["main"]`; none with a suite that ends in `/`. */
  components: z
    .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9./-]*$/, 'a component such as "main" is needed'))
    .default([]),
}).refine(({ suites, components }) => suites.every((name) => name.endsWith("/") === (components.length === 0)), {
  error: 'a suite has components, a suite that ends in "/" has none',
  path: ["components"],
});

const dnfSchema = recordOf({
  /** May hold dnf's own `$releasever` and `$basearch`. */
  baseUrl: repositoryUrl,
  /** Also checks the signature of the repository's own index; not every repository signs it. Packages are always checked. */
  signedIndex: z.boolean().default(false),
});

const keyHere = textOrFile.refine((key) => typeof key !== "string" || isArmouredPublicKey(key), {
  error: "an ASCII-armoured OpenPGP public key is needed (-----BEGIN PGP PUBLIC KEY BLOCK-----)",
});
const keyElsewhere = recordOf({
  /** Fetched by `kvci-build lock`, which freezes its bytes: a key that changes is seen in a review. */
  url: repositoryUrl,
});
const signingKey = z.union([keyElsewhere, keyHere], {
  error: 'give the key itself, { file: "path" } or { url: "https://…" }',
});

export const repositorySchema = recordOf({
  /** Names the repository and its files. */
  name: fileName,
  /** The key that signs it, ASCII-armoured: the text itself, `{ file: "keys/example.asc" }` or `{ url: "https://…" }`. */
  signingKey,
  /** Where it is for Debian and Ubuntu. */
  apt: aptSchema.optional(),
  /** Where it is for Fedora and CentOS Stream. */
  dnf: dnfSchema.optional(),
}).refine(({ apt, dnf }) => apt !== undefined || dnf !== undefined, { error: "say where it is: apt, dnf or both" });

export type RepositoryInput = DeepReadonly<z.input<typeof repositorySchema>>;
type Repository = z.output<typeof repositorySchema>;

/**
 * Adds a package repository with the key that signs it. Signatures are always checked, and the key counts for this
 * repository only.
 *
 * @throws {InputError} `template-invalid`; also when the plan is made, if the repository has no place for the family.
 */
export function packageRepository(input: RepositoryInput): Step<ImageOp> {
  const repository = checkStep("packageRepository", repositorySchema, input);
  return {
    name: `repository-${repository.name}`,
    needs: () => repositoryNeeds(repository),
    ops: (platform) => repositoryOps(repository, platform),
  };
}

/** What a step that brings a repository of its own has to declare for it. */
export function repositoryNeeds({ name, signingKey: key, apt, dnf }: Repository): readonly RepositoryNeed[] {
  return [{ kind: "repository", name, signingKey: key, ...(apt ? { apt } : {}), ...(dnf ? { dnf } : {}) }];
}

/** The ops alone, for steps that bring a repository of their own. */
export function repositoryOps(
  { name, signingKey: key, apt, dnf }: Repository,
  { family }: Platform,
): readonly ImageOp[] {
  if (family === "apt" && apt) {
    const keyring = `/etc/apt/keyrings/${name}.asc`;
    const file = writeFile(`/etc/apt/sources.list.d/${name}.sources`, sourcesFile(apt, keyring));
    return [placeKey(keyring, key), file, forgetAptLists()];
  }
  if (family === "dnf" && dnf) {
    const keyring = `/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}`;
    return [placeKey(keyring, key), writeFile(`/etc/yum.repos.d/${name}.repo`, repoFile(name, dnf, keyring))];
  }
  throw unfitStep(`packageRepository "${name}"`, `it says nothing about ${family}`, `Give it a section "${family}".`);
}

function placeKey(path: string, key: Repository["signingKey"]): ImageOp {
  return typeof key === "object" && "url" in key ? fetchIn(key.url, path) : placeFile(path, key, 0o644);
}

function sourcesFile(apt: NonNullable<Repository["apt"]>, keyring: string): string {
  return lines(
    "Types: deb",
    `URIs: ${apt.uris.join(" ")}`,
    `Suites: ${apt.suites.join(" ")}`,
    ...(apt.components.length > 0 ? [`Components: ${apt.components.join(" ")}`] : []),
    `Signed-By: ${keyring}`,
  );
}

function repoFile(name: string, dnf: NonNullable<Repository["dnf"]>, keyring: string): string {
  return lines(
    `[${name}]`,
    `name=${name}`,
    `baseurl=${dnf.baseUrl}`,
    "enabled=1",
    "gpgcheck=1",
    `repo_gpgcheck=${dnf.signedIndex ? "1" : "0"}`,
    `gpgkey=file://${keyring}`,
  );
}

function isArmouredPublicKey(text: string): boolean {
  return /^\s*-----BEGIN PGP PUBLIC KEY BLOCK-----\n[\s\S]+\n-----END PGP PUBLIC KEY BLOCK-----\s*$/.test(text);
}
