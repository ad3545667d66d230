import type { BuildEvent } from "../core/event.ts";
import { formatDuration } from "./format.ts";
import { displayLine } from "./text-width.ts";

/** What people are told at once, wherever in a build it happens: `!` asks for attention, `·` informs. */
export interface Notice {
  readonly mark: "!" | "·";
  readonly text: string;
}

export function noticeOf(event: BuildEvent): Notice | undefined {
  switch (event.type) {
    case "warning":
      return { mark: "!", text: displayLine(`${event.subject}: ${event.detail}`) };
    case "mirror-failed":
      return { mark: "!", text: displayLine(`mirror ${event.url} failed: ${event.reason}`) };
    case "waiting":
      return {
        mark: "·",
        text: displayLine(`${event.subject}: waiting for ${event.holder}, for ${formatDuration(event.forMs)} so far`),
      };
    case "leftover-removed":
      return { mark: "·", text: displayLine(`removed what an earlier run left behind: ${event.what}`) };
    default:
      return undefined;
  }
}
