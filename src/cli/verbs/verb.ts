import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { App } from "../app.ts";

export { Command, CommanderError, InvalidArgumentError, Option };

/** Runs a verb and keeps its exit status. */
export type Act = (run: () => Promise<number>) => Promise<void>;
/** Adds one verb to the command line. What it does is imported when it runs, so that `--help` answers at once. */
export type AddVerb = (program: Command, app: App, act: Act) => void;
