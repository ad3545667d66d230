import type { Digest } from "../core/digest.ts";
import type { Journal } from "../core/journal.ts";
import type { Arch } from "../core/platform.ts";
import type { JsonValue } from "./json.ts";
import type { PublishStep, StepResult, StepResults } from "./step.ts";

/** A finished, verified build as publishers see it. */
export interface ReleaseBuild {
  /** Folder with build.json. */
  readonly folder: string;
  readonly template: string;
  readonly arch: Arch;
  /** Version of the release: the tag's, or the date. */
  readonly version: string;
  readonly diskPath: string;
  readonly diskDigest: Digest;
  readonly virtualBytes: number;
  readonly firmware: "uefi" | "bios";
  /** SHA-256 of the raw disk, zeros included, whatever it is packed in. */
  readonly content: Digest;
  readonly planId: Digest;
  /** OCI labels of the build: Kubernetes and KubeVirt versions among them. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What is wrong with, or worth knowing of, a place before anything is moved. */
export interface PreflightFinding {
  readonly target: string;
  readonly place: string;
  /** `unproven` where the place has no way to ask. */
  readonly level: "ok" | "unproven" | "warning" | "error";
  readonly check: string;
  readonly detail: string;
  /** What to do: a command, a minimal policy. Required for errors. */
  readonly hint?: string;
  /** Exit class of an error: see docs/publishing.md. */
  readonly code?:
    "publish-denied" | "publish-blocked" | "publish-quota" | "publish-conflict" | "publish-unverified" | undefined;
  /** What arrives at this place is seen by everybody. */
  readonly seenByAll?: true;
}

export interface PublishContext {
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly results: StepResults;
  /** Small facts the remote cannot tell: acknowledged blocks, upload sessions, attempts. Fsynced before it returns; 0600. */
  readonly remember: (key: string, value: JsonValue) => Promise<void>;
  /** The latest value remembered under a key by this or an earlier run for the same plan. */
  readonly recall: (key: string) => JsonValue | undefined;
}

export interface VerifiedBy {
  readonly suite: string;
  /** `qemu`, `aws`, `gcp`. */
  readonly place: string;
  readonly ok: boolean;
  readonly startedAt: string;
}

/** An entry of published-images.json. */
export interface PublishedImage {
  readonly target: string;
  readonly kind: "registry" | "aws" | "gcp";
  /** Account, project or repository. */
  readonly owner: string;
  /** Region, location or registry. */
  readonly place: string;
  /** AMI id, self-link or digest reference. */
  readonly id: string;
  readonly name: string;
  readonly arch: Arch;
  readonly content: Digest;
  readonly attributes: Digest;
  readonly version: string;
  readonly public: boolean;
  readonly createdAt: string;
  readonly deprecateAt?: string;
  readonly supersedes?: readonly string[];
  /** Results recorded for the very disk, wherever it was booted. */
  readonly verification?: readonly VerifiedBy[];
  readonly details: Readonly<Record<string, JsonValue>>;
}

/**
 * Publishes builds to one target. Observing reads the place; the difference between what is wanted and what is there is a list
 * of steps; a place that has everything gives an empty list. Running a step that is done already changes nothing.
 *
 * `S` is what observing finds: plain data, so that diff is pure and plans can be compared.
 */
export interface Publisher<S extends JsonValue = JsonValue> {
  readonly target: string;
  readonly kind: PublishedImage["kind"];
  /** All findings, not the first; moves nothing. */
  preflight(builds: readonly ReleaseBuild[], state: S, signal: AbortSignal): Promise<readonly PreflightFinding[]>;
  observe(builds: readonly ReleaseBuild[], signal: AbortSignal): Promise<S>;
  /** Pure. @throws {KvciError} `publish-conflict` when a name is taken by something else. */
  diff(builds: readonly ReleaseBuild[], state: S): readonly PublishStep[];
  /** Idempotent: looks first, creates with a token, adopts what a lost reply left. */
  run(step: PublishStep, context: PublishContext): Promise<StepResult>;
  /**
   * Takes a step back by what its result says was there before. Already undone is done. Without a result, the run ended in the
   * middle of the step: what it made is looked for by its token or tags.
   */
  undo(step: PublishStep, result: StepResult | undefined, context: PublishContext): Promise<void>;
  /** What exists now, read from the place. */
  published(builds: readonly ReleaseBuild[], signal: AbortSignal): Promise<readonly PublishedImage[]>;
  /** What retention would remove, and removing it. Only managed, superseded, unreferenced resources. */
  garbage(signal: AbortSignal): Promise<readonly GarbageItem[]>;
  collect(item: GarbageItem, signal: AbortSignal): Promise<void>;
}

export interface GarbageItem {
  readonly target: string;
  readonly place: string;
  readonly id: string;
  readonly what: string;
  readonly reason: string;
  readonly bytes?: number;
}

/**
 * Boots a private image where it was registered and runs the verifier's suites in it.
 *
 * @returns what is kept of it: suite, number of checks, how long it took.
 * @throws {KvciError} `verification-failed` naming the checks; whatever the place says.
 */
export type SmokeTest = (request: {
  readonly build: ReleaseBuild;
  /** Region or zone. */
  readonly place: string;
  /** AMI id, or self-link. */
  readonly image: string;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}) => Promise<StepResult>;
