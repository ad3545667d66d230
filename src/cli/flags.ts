import type { Arch } from "../core/platform.ts";
import type { OnError } from "./on-error-mode.ts";

export interface TemplateFlags {
  readonly arch: readonly Arch[] | undefined;
  readonly env: string;
  readonly mirror?: string;
  readonly plan?: true;
  readonly out: string;
  readonly verify: boolean;
  readonly cache: boolean;
  readonly warm: boolean;
  readonly onError: OnError;
  /** Undefined: as the environment says. */
  readonly locked?: boolean;
  readonly jobs?: number;
  readonly verbose?: true;
  readonly json?: true;
}

export interface ShellFlags {
  readonly arch: Arch | undefined;
  readonly then?: "leave" | "keep" | "discard";
}

export interface VerifyFlags {
  readonly on: string;
  readonly suite: string;
  /** Where `on` is a cloud: whose targets, which of them, which image, and as what it was published. */
  readonly env: string;
  readonly target?: string;
  readonly image?: string;
  readonly release?: string;
  readonly junit?: string;
  readonly verbose?: true;
  readonly json?: true;
}

export interface LockFlags {
  readonly env: string;
  readonly mirror?: string;
  readonly check?: true;
  readonly prune?: true;
  readonly fetch?: string;
  readonly verbose?: true;
  readonly json?: true;
}

export interface InspectFlags {
  readonly verify?: true;
  readonly extract?: string;
  readonly ref?: string;
  readonly json?: true;
}

export interface DoctorFlags {
  readonly arch: Arch | undefined;
  readonly fix?: true;
  readonly json?: true;
}
