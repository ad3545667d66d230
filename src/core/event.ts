/** What the core reports. It never prints; a renderer decides what a person or a log sees. */
export type BuildEvent =
  | { readonly type: "span-started"; readonly name: string; readonly kind: SpanKind }
  | {
      readonly type: "span-ended";
      readonly name: string;
      readonly kind: SpanKind;
      readonly ok: boolean;
      readonly durationMs: number;
    }
  /** Text of a command: of the guest's op, or of a host program. Chunks, not lines. */
  | { readonly type: "output"; readonly stream: "stdout" | "stderr"; readonly text: string }
  | { readonly type: "transfer"; readonly name: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly type: "op-started"; readonly index: number; readonly total: number; readonly summary: string }
  | { readonly type: "op-ended"; readonly index: number; readonly status: number; readonly durationMs: number }
  | { readonly type: "program-started"; readonly argv: readonly string[]; readonly pid: number }
  | { readonly type: "accelerator-chosen"; readonly accelerator: string; readonly reason: string }
  | { readonly type: "mirror-failed"; readonly url: string; readonly reason: string }
  | { readonly type: "cache-hit"; readonly what: string; readonly digest: string }
  /** A step's disk is in the store from now on. */
  | { readonly type: "layer-kept"; readonly step: string; readonly key: string; readonly bytes: number }
  /** The machine's memory was kept beside a layer, or taken up from there instead of a boot. */
  | { readonly type: "warm-state-kept"; readonly step: string; readonly bytes: number; readonly durationMs: number }
  | { readonly type: "warm-state-restored"; readonly step: string; readonly afterMs: number }
  /** Somebody else holds what is needed; comes again every now and then while it lasts. */
  | { readonly type: "waiting"; readonly subject: string; readonly holder: string; readonly forMs: number }
  | { readonly type: "leftover-removed"; readonly what: string }
  | { readonly type: "guest-ready"; readonly afterMs: number; readonly address: string }
  | { readonly type: "finding"; readonly check: string; readonly ok: boolean; readonly detail: string }
  | { readonly type: "warning"; readonly subject: string; readonly detail: string };

/** What a span covers: the whole build, a phase of it, one step of the template, one check. */
export type SpanKind = "build" | "phase" | "step" | "check";

/** An event as it is kept: when, of which plan, inside which spans. Parallel builds stay separable by `build`. */
export interface StampedEvent {
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
  /** Name of the build the event belongs to: template and architecture. */
  readonly build: string;
  /** Names of the spans the event happened in, outermost first. */
  readonly span: readonly string[];
  readonly event: BuildEvent;
}
