import { ERRORS, KvciError, messageOf } from "../core/error.ts";
import { secretsFromEnvironment } from "../journal/environment-secrets.ts";
import { failureRecord, renderFailure, type LogPlace } from "../journal/failure.ts";
import { streamPaint } from "../journal/paint.ts";
import { createRedactor } from "../journal/redaction.ts";
import type { App } from "./app.ts";

/** What a build failed of, with the places of the logs that tell more. */
export class FailedBuild extends Error {
  override readonly name = "FailedBuild";
  readonly error: unknown;
  readonly logs: readonly LogPlace[];

  constructor(error: unknown, logs: readonly LogPlace[]) {
    super(messageOf(error), { cause: error });
    this.error = error;
    this.logs = logs;
  }
}

/** Prints what went wrong, to people or as JSON. @returns the exit status of its code */
export function reportFailure(app: App, thrown: unknown): number {
  const { error, logs } = thrown instanceof FailedBuild ? thrown : new FailedBuild(reasonOf(thrown, app.signal), []);
  const redactor = createRedactor(secretsFromEnvironment(app.env));
  const options = { logs, redact: (text: string) => redactor.redact(text) };
  const json = app.argv.includes("--json");
  const width = Math.min(app.stderr.columns || 100, 120);
  const text = json
    ? JSON.stringify({ error: failureRecord(error, options) })
    : renderFailure(error, { ...options, width, paint: streamPaint(app.stderr) });
  app.stderr.write(`${text}\n`);
  return error instanceof KvciError ? ERRORS[error.code].exit : ERRORS.internal.exit;
}

/** After Ctrl-C everything fails in its own way; what the user did is the one cause worth telling. */
export function reasonOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && signal.reason instanceof KvciError ? signal.reason : error;
}
