import { createApp } from "./app.ts";
import { commandLine } from "./command-line.ts";
import { watchSignals } from "./signals.ts";

/** Runs the process's command line. @returns its exit status */
export function main(host: NodeJS.Process): Promise<number> {
  return commandLine(createApp(host, watchSignals(host)));
}
