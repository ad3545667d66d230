import type { Place } from "./locate.ts";

export interface SourceContext {
  readonly kind: "template" | "environment";
  /** Absolute path of the file that was asked for. */
  readonly file: string;
  /** Paths below it are shown relative to it. */
  readonly cwd: string;
}

/** One mistake; without a place when the source does not say where. */
export interface Problem {
  readonly message: string;
  readonly place: Place | undefined;
  readonly hint: string;
}
