import { KvciError, type ErrorCode } from "../core/error.ts";

interface Class {
  readonly code: ErrorCode;
  readonly pattern: RegExp;
  readonly says: (image: string) => string;
  readonly hint: string;
}

const REFUSED = [
  "Log in with `skopeo login REGISTRY`, or give credentials for it in the file that REGISTRY_AUTH_FILE names,",
  "in ${XDG_RUNTIME_DIR}/containers/auth.json or in ~/.docker/config.json.",
].join(" ");

/** In the order they are tried, against skopeo's own words: it has one exit status for everything. */
const CLASSES: readonly Class[] = [
  {
    code: "digest-mismatch",
    pattern: /did not match, expected|does(?:n't| not) match (?:provided manifest )?digest|blob size mismatch/i,
    says: (image) => `${image}: the registry delivered other bytes than those of the digest`,
    hint: "A mirror or a cache on the way is damaged: run the same command again, or without that mirror in the environment.",
  },
  {
    code: "registry-failed",
    pattern: /too ?many ?requests/i,
    says: (image) => `${image}: the registry allows no more requests for now`,
    hint: "Wait and run the same command again (what came is kept), log in for a higher limit, or name a mirror in the environment's registries.",
  },
  {
    code: "registry-denied",
    pattern:
      /unauthorized|authentication required|access to the resource is denied|denied:|(?:status(?: code)?:?|StatusCode:) ?40[13]\b|invalid username\/password|40[13] \((?:Unauthorized|Forbidden)\)/i,
    says: (image) => `${image}: the registry does not let us in`,
    hint: REFUSED,
  },
  {
    code: "image-missing",
    pattern:
      /manifest unknown|name unknown|blob unknown|repository name not known|not found|(?:status(?: code)?:?|StatusCode:) ?404\b|404 \(Not Found\)/i,
    says: (image) => `${image}: the registry does not have it`,
    hint: "Check the reference. If the tag or its digest was removed, run `kvci-build lock` to resolve it anew.",
  },
];

const FAILED: Omit<Class, "pattern"> = {
  code: "registry-failed",
  says: (image) => `${image}: the registry did not deliver`,
  hint: "Check the network, the proxy and the certificates, or name a mirror in the environment's registries. What came is kept.",
};

/** Errors that say more of the host than of a registry are passed on. */
const NOT_THE_REGISTRYS: readonly ErrorCode[] = ["interrupted", "program-missing", "store-full"];

/**
 * What skopeo's failure means for an image: `image-missing`, `registry-denied`, `registry-failed` or `digest-mismatch`, with
 * skopeo's words as evidence.
 */
export function registryError(image: string, error: unknown): unknown {
  if (!(error instanceof KvciError) || NOT_THE_REGISTRYS.includes(error.code)) return error;
  const evidence = error.evidence.map(plain).filter((line) => line !== "");
  // Its last line is the fatal one; those before are about what it tried meanwhile.
  const fatal = evidence.at(-1) ?? "";
  const { code, says, hint } = CLASSES.find(({ pattern }) => pattern.test(fatal)) ?? FAILED;
  return new KvciError(code, says(image), {
    hint,
    evidence: evidence.length > 0 ? evidence : [error.message],
    cause: error,
  });
}

/** skopeo logs as `time="…" level=fatal msg="…"`; the message is what counts. */
function plain(line: string): string {
  const message = /^time="[^"]*" level=\w+ msg="(.*)"$/.exec(line.trim())?.[1];
  return message === undefined ? line.trim() : message.replaceAll('\\"', '"');
}

/** Bytes that are not what their digest says. */
export function wrongBytes(image: string, expected: string, actual: string): KvciError {
  return new KvciError("digest-mismatch", `${image}: the registry delivered other bytes than those of the digest`, {
    hint: "A mirror or a cache on the way is damaged: run the same command again, or without that mirror in the environment.",
    evidence: [`expected ${expected}`, `actual   ${actual}`],
  });
}
