/** What `kvci-build publish` is told on the command line. */
export interface PublishFlags {
  readonly target: readonly string[];
  readonly env: string;
  readonly out: string;
  readonly release?: string;
  readonly plan?: true;
  readonly apply?: string;
  /** With `apply`: what is left of a plan that a run began. Else every run goes on where one stopped, and it says nothing. */
  readonly resume?: true;
  readonly unverified?: true;
  /** Undefined: where somebody gets to see the image. */
  readonly smoke?: boolean;
  readonly yes?: true;
  readonly verbose?: true;
  readonly json?: true;
}

export interface PublishStatusFlags {
  readonly env: string;
  readonly json?: true;
}

export interface PublishRollbackFlags {
  readonly env: string;
  readonly out: string;
  readonly yes?: true;
  readonly verbose?: true;
  readonly json?: true;
}

export interface PublishGcFlags {
  readonly env: string;
  readonly target: readonly string[];
  readonly yes?: true;
  readonly verbose?: true;
  readonly json?: true;
}
