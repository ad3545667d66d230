import { Writable } from "node:stream";
import type { App } from "../../../../src/cli/app.ts";
import { RUN_VARIABLE } from "../../../../src/host/run-record.ts";

/** An app on a store of its own, whose output is kept. */
export interface CapturedApp extends App {
  readonly out: () => string;
  readonly err: () => string;
}

/** @param now milliseconds of the epoch. */
export function capturedApp(storeRoot: string, now: number): CapturedApp {
  const [stdout, out] = captured();
  const [stderr, err] = captured();
  return {
    cwd: storeRoot,
    env: { PATH: process.env["PATH"] },
    argv: [],
    stdin: process.stdin,
    stdout,
    stderr,
    isRoot: false,
    storeRoot,
    search: { path: process.env["PATH"] ?? "", toolsFolder: storeRoot },
    signal: new AbortController().signal,
    now: () => now,
    out,
    err,
  };
}

/** In a describe block: what a session sets in the environment, for its children, is taken back after each test. */
export function restoreEnvironment(): void {
  const before = { PATH: process.env["PATH"], [RUN_VARIABLE]: process.env[RUN_VARIABLE] };
  afterEach(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });
}

function captured(): [App["stdout"], () => string] {
  let text = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  // No terminal is asked for by what is captured.
  return [stream as unknown as App["stdout"], () => text];
}
