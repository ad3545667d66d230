import { KvciError } from "../core/error.ts";
import { streamPaint } from "../journal/paint.ts";
import type { PublishPlan } from "../publish/plan.ts";
import type { PreflightFinding } from "../publish/publisher.ts";
import type { App } from "./app.ts";
import { ask } from "./ask.ts";
import { renderPublishPlan, type ShownPlan } from "./render-publish-plan.ts";
import type { Session } from "./session.ts";

/** @throws {KvciError} of the first error's class, with all of them as evidence. */
export function assertPossible({ findings }: Pick<PublishPlan, "findings">): void {
  const errors = findings.filter(({ level }) => level === "error");
  const [first] = errors;
  if (!first) return;
  throw new KvciError(first.code ?? "publish-blocked", lineOf(first), {
    hint: first.hint ?? "See docs/publishing.md.",
    evidence: errors.slice(1).flatMap((each) => [lineOf(each), ...(each.hint === undefined ? [] : [`  ${each.hint}`])]),
  });
}

/** For those who have said yes before they could see the plan. */
export function tellWarnings({ findings }: PublishPlan, { journal }: Session): void {
  for (const finding of findings.filter(({ level }) => level === "warning")) {
    const { target, place, check, detail } = finding;
    journal.emit({ type: "warning", subject: `${target} ${place}`, detail: `${check}: ${detail}` });
  }
}

/**
 * Shows the plan to a person on a terminal, and asks.
 *
 * @throws {KvciError} `usage` without a terminal, `interrupted` for a no.
 */
export async function confirmPlan(
  { app, withScreen }: Session,
  { shown, json }: { readonly shown: () => Promise<ShownPlan>; readonly json: boolean },
): Promise<void> {
  if (json || !hasTerminal(app)) {
    throw new KvciError("usage", "publishing needs a yes, and there is no terminal to ask on", {
      hint: "Look at `kvci-build publish --plan`, then add --yes, or keep the plan and give it with --apply.",
    });
  }
  const plan = await shown();
  await agree(app, withScreen, renderPublishPlan(plan, streamPaint(app.stderr)));
}

/** Shows a text on the terminal and asks whether to go on. @throws {KvciError} `interrupted` for a no. */
export async function agree(app: App, withScreen: Session["withScreen"], text: string): Promise<void> {
  const answer = await withScreen(async () => {
    app.stderr.write(text);
    const question = { text: "Go on? [y/N] ", answers: { y: "yes", n: "no" }, otherwise: "no" } as const;
    return ask<"yes" | "no">(app, question);
  });
  if (answer === "yes") return;
  throw new KvciError("interrupted", "not confirmed; nothing was changed", {
    hint: "Run the command again to go on.",
  });
}

export function hasTerminal({ stderr, stdin }: App): boolean {
  return stderr.isTTY && stdin.isTTY;
}

function lineOf({ target, place, check, detail }: PreflightFinding): string {
  return `${target} ${place}: ${check}: ${detail}`;
}
