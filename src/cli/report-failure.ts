import { ERRORS, KvciError, messageOf } from "../core/error.ts";
import { secretsFromEnvironment } from "../journal/environment-secrets.ts";
import { failureRecord, renderFailure, type LogPlace, type ShownCommand } from "../journal/failure.ts";
import { streamPaint } from "../journal/paint.ts";
import { createRedactor } from "../journal/redaction.ts";
import type { App } from "./app.ts";

/** Where to read on, and what to do. */
export interface FailurePlaces {
  readonly logs: readonly LogPlace[];
  readonly commands?: readonly ShownCommand[];
  readonly screen?: string | undefined;
}

/** What a build failed of, with the places of the logs that tell more. */
export class FailedBuild extends Error {
  override readonly name = "FailedBuild";
  readonly error: unknown;
  readonly places: FailurePlaces;

  constructor(error: unknown, places: FailurePlaces) {
    super(messageOf(error), { cause: error });
    this.error = error;
    this.places = places;
  }
}

/** Prints what went wrong, to people or as JSON. @returns the exit status of its code */
export function reportFailure(app: App, thrown: unknown): number {
  const { error, places } =
    thrown instanceof FailedBuild ? thrown : new FailedBuild(reasonOf(thrown, app.signal), { logs: [] });
  const redactor = createRedactor(secretsFromEnvironment(app.env));
  const options = { ...places, redact: (text: string) => redactor.redact(text) };
  const json = app.argv.includes("--json");
  const width = Math.min(app.stderr.columns || 100, 120);
  const text = json
    ? JSON.stringify({ error: failureRecord(error, options) })
    : renderFailure(error, { ...options, width, paint: streamPaint(app.stderr) });
  app.stderr.write(`${text}\n`);
  return error instanceof KvciError ? ERRORS[error.code].exit : ERRORS.internal.exit;
}

/**
 * After Ctrl-C everything fails in its own way; what the user did is the one cause worth telling. Somebody who has more to say of it
 * than that, such as how to go on, is heard.
 */
export function reasonOf(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof KvciError && error.code === "interrupted" && error.evidence.length > 0) return error;
  return signal.aborted && signal.reason instanceof KvciError ? signal.reason : error;
}
