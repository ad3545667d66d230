import { constants } from "node:os";
import { KvciError } from "../core/error.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * A signal that is aborted by the first Ctrl-C (or SIGTERM, SIGHUP); the reason is the error that the command ends with. A second
 * one ends the process at once: the next run then removes what was left.
 */
export function watchSignals(host: NodeJS.Process): AbortSignal {
  const controller = new AbortController();
  for (const name of SIGNALS) {
    host.on(name, () => {
      if (controller.signal.aborted) host.exit(128 + constants.signals[name]);
      const hint = "Run the same command again; what was finished is kept.";
      controller.abort(new KvciError("interrupted", `stopped by ${name}`, { hint }));
    });
  }
  return controller.signal;
}
