import type { Writable } from "node:stream";
import { jsonLinesStream, type JsonLinesHeader } from "./json-lines.ts";
import { plainSink } from "./plain.ts";
import type { Sink } from "./sink.ts";
import { terminalSink } from "./terminal.ts";

export interface RendererOptions {
  /** Standard error: results have standard output to themselves. */
  readonly stream: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Set for `--json`. */
  readonly json?: JsonLinesHeader | undefined;
  readonly verbose?: boolean | undefined;
  readonly stepsOf?: ((build: string) => readonly string[] | undefined) | undefined;
  readonly severalBuilds?: boolean | undefined;
}

/** The sink that suits whoever looks: JSON lines on request, a live view on a terminal that can, else plain lines. */
export async function openRenderer(options: RendererOptions): Promise<Sink> {
  const { stream, json, verbose, stepsOf, severalBuilds } = options;
  if (json) return jsonLinesStream(stream, json);
  if (isLive(options)) return terminalSink({ stream, stepsOf, severalBuilds });
  return plainSink({ stream, stepsOf, severalBuilds, verbose });
}

/** NO_COLOR counts when it is not empty (no-color.org); a dumb terminal cannot move its cursor; verbose output scrolls. */
export function isLive({ stream, env, verbose }: Pick<RendererOptions, "stream" | "env" | "verbose">): boolean {
  const noColor = env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "";
  return stream.isTTY === true && !noColor && env["TERM"] !== "dumb" && !verbose;
}
