/**
 * Every error code, with the exit status of the process that ends on it and one line for the documentation.
 * Exit statuses: 1 internal, 2 changes pending (a plan), 3 bad input, 4 host not fit, 5 network or source,
 * 6 guest or step, 7 verification, 10 to 17 publishing (one for each class of failure), 130 interrupted.
 */
export const ERRORS = {
  internal: { exit: 1, title: "a defect in kvci-build itself" },
  usage: { exit: 3, title: "the command line is wrong" },
  "template-invalid": { exit: 3, title: "a template does not pass its checks" },
  "template-not-found": { exit: 3, title: "no template of that name" },
  "environment-invalid": { exit: 3, title: "an environment file does not pass its checks" },
  "lock-invalid": { exit: 3, title: "the lock file cannot be read" },
  "lock-missing": { exit: 3, title: "the lock has no entry for something that floats" },
  "lock-stale": { exit: 3, title: "an entry of the lock was made for something else than the template wants" },
  "build-not-found": { exit: 3, title: "no build at that path" },
  "build-invalid": { exit: 3, title: "a build's records or files do not fit together" },
  "layout-invalid": { exit: 3, title: "an OCI layout is damaged or is not one" },
  "database-invalid": { exit: 3, title: "a bbolt database is damaged, is not one, or is arranged differently" },
  "program-missing": { exit: 4, title: "a host program is not installed" },
  "program-failed": { exit: 4, title: "a host program failed" },
  "store-full": { exit: 4, title: "no space left where kvci-build writes" },
  "store-unusable": { exit: 4, title: "the store cannot be read or written" },
  "store-busy": { exit: 4, title: "another kvci-build holds what this one needs" },
  "download-failed": { exit: 5, title: "no mirror delivered the file" },
  "digest-mismatch": { exit: 5, title: "bytes do not have the digest they should have" },
  "signature-invalid": { exit: 5, title: "a signature is missing, wrong or by an unknown key" },
  "checksum-file-invalid": { exit: 5, title: "a distribution's checksum file does not name the image" },
  "manifest-invalid": { exit: 5, title: "a Kubernetes manifest is not one, or cannot be edited as asked" },
  "packages-unresolvable": { exit: 5, title: "package repositories do not offer what is wanted" },
  "image-missing": { exit: 5, title: "a registry does not have a container image" },
  "registry-denied": { exit: 5, title: "a registry refuses the credentials, or wants some" },
  "registry-failed": { exit: 5, title: "a registry did not deliver" },
  "base-failed": { exit: 5, title: "a base image could not be made" },
  "guest-not-ready": { exit: 6, title: "the guest did not answer before its deadline" },
  "guest-died": { exit: 6, title: "QEMU ended or the guest's kernel panicked" },
  "machine-lost": { exit: 6, title: "the connection to the guest broke" },
  "command-failed": { exit: 6, title: "a command in the guest failed" },
  "command-timeout": { exit: 6, title: "a command in the guest did not end before its deadline" },
  "budget-exceeded": { exit: 6, title: "a layer is larger than its template allows" },
  "disk-unclean": { exit: 6, title: "the built disk's filesystem was not closed cleanly" },
  "verification-failed": { exit: 7, title: "the image does not pass its checks" },
  "publish-unverified": { exit: 7, title: "the build has no verification result for its digest" },
  "publish-stale-plan": { exit: 3, title: "a plan no longer fits what is there" },
  "publish-denied": { exit: 10, title: "credentials are missing, expired or lack a right" },
  "publish-blocked": { exit: 11, title: "a policy of the account forbids it" },
  "publish-quota": { exit: 12, title: "a quota is used up" },
  "publish-throttled": { exit: 13, title: "a service kept asking to slow down until the deadline" },
  "publish-failed": { exit: 14, title: "a service failed until the deadline" },
  "publish-conflict": { exit: 15, title: "a name or tag stands for something else" },
  "publish-integrity": { exit: 16, title: "bytes arrived changed, or the source changed" },
  "publish-partial": { exit: 17, title: "a best-effort place failed; the release stands without it" },
  interrupted: { exit: 130, title: "stopped by Ctrl-C or a signal" },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** What an error carries beside its message: the next thing to do, always; the cause and longer evidence when there are any. */
export interface ErrorOptions {
  readonly hint: string;
  readonly cause?: unknown;
  /** Lines shown under the message: last output, console lines, paths of logs. */
  readonly evidence?: readonly string[];
}

/** Every failure a user can see. `hint` is required: say what to do next, or do not throw. */
export class KvciError extends Error {
  override readonly name: string = "KvciError";
  readonly code: ErrorCode;
  readonly hint: string;
  readonly evidence: readonly string[];

  constructor(code: ErrorCode, message: string, options: ErrorOptions) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.evidence = options.evidence ?? [];
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
