import type { Arch } from "../core/platform.ts";

export interface TemplateFlags {
  readonly arch: Arch | undefined;
  readonly env: string;
  readonly plan?: true;
  readonly out: string;
  readonly verify: boolean;
  readonly verbose?: true;
  readonly json?: true;
}

export interface VerifyFlags {
  readonly on: string;
  readonly suite: string;
  readonly junit?: string;
  readonly verbose?: true;
  readonly json?: true;
}

export interface LockFlags {
  readonly env: string;
  readonly verbose?: true;
  readonly json?: true;
}

export interface InspectFlags {
  readonly verify?: true;
  readonly json?: true;
}

export interface DoctorFlags {
  readonly arch: Arch | undefined;
  readonly fix?: true;
  readonly json?: true;
}
