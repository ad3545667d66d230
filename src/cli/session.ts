import { randomUUID } from "node:crypto";
import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import { searchPath } from "../host/find-program.ts";
import { recordRun, removeLeftovers, RUN_VARIABLE } from "../host/run-record.ts";
import { secretsFromEnvironment } from "../journal/environment-secrets.ts";
import { createJournal, type BuildJournal } from "../journal/event-journal.ts";
import { createRedactor, redactingSink, type Redactor } from "../journal/redaction.ts";
import { pausableSink, type PausableSink } from "../journal/pausable-sink.ts";
import { openRenderer } from "../journal/renderer.ts";
import type { Sink } from "../journal/sink.ts";
import { fileLayerStore } from "../store/layer-store.ts";
import type { LayerStore } from "../store/layer.ts";
import { openStore } from "../store/file-store.ts";
import { writing } from "../core/file-system-error.ts";
import type { Store } from "../store/store.ts";
import type { App } from "./app.ts";
import { version } from "./version.ts";

/** What a verb that does something works with. */
export interface Session {
  readonly app: App;
  readonly store: Store;
  /** Name of this run in the store. */
  readonly runId: string;
  readonly journal: BuildJournal;
  /** Knows the secrets of this process; every log is written through it. */
  readonly redactor: Redactor;
  readonly signal: AbortSignal;
  /** The terminal, for one at a time; nothing else is shown on it meanwhile. */
  readonly withScreen: <T>(work: () => Promise<T>) => Promise<T>;
}

export interface SessionOptions {
  /** The verb and what it works on, as those who wait for it read it. */
  readonly command: string;
  readonly json: boolean;
  readonly verbose?: boolean;
  readonly severalBuilds?: boolean;
  /** The environment's credentials, by the variables that hold them (`env:NAME`): their values are kept out of every log. */
  readonly credentials?: Environment["credentials"];
  /** Names of the steps of a build, for `3/7`. */
  readonly stepsOf?: (build: string) => readonly string[] | undefined;
}

/**
 * Runs `work` with the store open and events shown. What killed runs left behind is removed first; what this one holds is given
 * back however it ends.
 */
export async function withSession<T>(
  app: App,
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const id = randomUUID();
  // Children inherit both: the mark by which a killed run's processes are found, and the programs fetched for us.
  process.env[RUN_VARIABLE] = id;
  process.env["PATH"] = searchPath(app.search);
  const redactor = createRedactor(secretsOf(app, options));
  const store = await openStore(app.storeRoot, {
    runId: id,
    description: `kvci-build ${options.command} (pid ${String(process.pid)})`,
  });
  const screen = pausableSink(await screenSink(app, options));
  const journal = createJournal({
    build: "kvci-build",
    sinks: [redactingSink(redactor, screen)],
  });
  try {
    await writing(app.storeRoot, () => removeLeftovers(app.storeRoot, journal));
    const record = await writing(app.storeRoot, () => recordRun(app.storeRoot, { id, command: options.command }));
    return await withDisposal(record, () =>
      work({ app, store, runId: id, journal, redactor, signal: app.signal, withScreen: inTurn(screen) }),
    );
  } finally {
    await journal.close();
  }
}

/** One after another, with the screen paused. */
function inTurn(screen: PausableSink): Session["withScreen"] {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(async () => {
      const resume = screen.pause();
      try {
        return await work();
      } finally {
        resume();
      }
    });
    last = turn.catch(() => undefined);
    return turn;
  };
}

function secretsOf({ env }: App, { credentials = {} }: SessionOptions): string[] {
  const named = Object.values(credentials).map((place) => env[place.replace(/^env:/, "")]);
  return [...secretsFromEnvironment(env), ...named.filter((value) => value !== undefined)];
}

function screenSink({ stderr, env, now }: App, options: SessionOptions): Promise<Sink> {
  const json = options.json ? { startedAt: new Date(now()).toISOString(), tool: version() } : undefined;
  const { verbose, severalBuilds, stepsOf } = options;
  return openRenderer({ stream: stderr, env, json, verbose, severalBuilds, stepsOf });
}

/** The layers of a session's store. */
export function layersOf({ store, app }: Session): LayerStore {
  return fileLayerStore(store, { now: app.now });
}
