import { randomBytes } from "node:crypto";
import { KvciError, messageOf } from "../src/core/error.ts";
import { MarkerParser } from "../src/machine/marker-parser.ts";
import { shellQuote } from "../src/machine/shell-quote.ts";
import type { Check } from "./check.ts";
import type { Clone } from "./place.ts";

/** Of a probe's output this much is kept unless its check needs more: bounded evidence for a bad disk. */
export const OUTPUT_LIMIT_BYTES = 8 * 1024;

/** What one clone answered to one probe. */
export interface Answer {
  /** Exit status of the probe; 124 or 137 when its deadline passed. Undefined when there is no answer: see `reason`. */
  readonly status: number | undefined;
  readonly reason: string;
  readonly output: string;
  /** True when the probe said more than is kept. */
  readonly cut: boolean;
  readonly durationMs: number;
  /** Milliseconds since the epoch, by this host's clock. */
  readonly askedFrom: number;
  readonly askedUntil: number;
}

export interface SurveyOptions {
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Runs the probes of all `checks` on one clone in one script, in order, and returns an answer for each by the check's
 * name. A clone that is lost on the way loses the rest of the answers, not those it gave.
 *
 * @throws {KvciError} `interrupted` on abort.
 */
export async function survey(
  clone: Pick<Clone, "name" | "machine">,
  checks: readonly Check[],
  options: SurveyOptions,
): Promise<ReadonlyMap<string, Answer>> {
  const probes = checks.filter((check) => check.probe !== undefined);
  const nonce = randomBytes(16).toString("hex");
  const collector = new AnswerCollector(nonce, probes.map(limitOf), options.now);
  const reason =
    probes.length === 0 ? "" : await run(clone, surveyScript(probes, nonce), { ...options, probes, collector });
  return new Map(
    probes.map((check, index) => [check.name, collector.answers.get(index) ?? unanswered(reason, options.now())]),
  );
}

interface RunOptions extends SurveyOptions {
  readonly probes: readonly Check[];
  readonly collector: AnswerCollector;
}

/** @returns why answers may be missing. */
async function run(clone: Pick<Clone, "name" | "machine">, script: string, options: RunOptions): Promise<string> {
  // Each probe ends at its own deadline, inside the guest; this one is for a guest that no longer gets that far.
  const timeoutMs = options.probes.reduce((sum, check) => sum + check.timeoutMs + 5_000, 60_000);
  try {
    const { exitCode, stderr } = await clone.machine.exec(["sh", "-s"], {
      stdin: script,
      timeoutMs,
      signal: options.signal,
      onOutput: (stream, text) => {
        if (stream === "stdout") options.collector.push(text);
      },
    });
    return `the survey ended with status ${String(exitCode)} before this probe: ${stderr.trim().slice(-200)}`;
  } catch (error) {
    if (options.signal.aborted || (error instanceof KvciError && error.code === "interrupted")) throw error;
    return messageOf(error);
  }
}

function unanswered(reason: string, at: number): Answer {
  return { status: undefined, reason, output: "", cut: false, durationMs: 0, askedFrom: at, askedUntil: at };
}

/**
 * The script: every probe in a shell of its own with a deadline, its output between two markers (record separator,
 * nonce, `begin` or `end`, index, status), as `src/machine/step-script.ts` does it for steps.
 */
function surveyScript(probes: readonly Check[], nonce: string): string {
  return [
    "export LC_ALL=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "cd / || exit 1",
    "out=$(mktemp) || exit 1",
    `trap 'rm -f "$out"' EXIT`,
    `mark() { printf '\\036${nonce} %s %s %s\\n' "$1" "$2" "$3"; }`,
    ...probes.flatMap((check, index) => [
      `mark begin ${String(index)} 0`,
      `timeout -k 5 ${String(Math.ceil(check.timeoutMs / 1000))} sh -eu -c ${shellQuote(check.probe ?? "")} </dev/null >"$out" 2>&1`,
      `status=$?; head -c ${String(limitOf(check) + 1)} "$out"; mark end ${String(index)} "$status"`,
    ]),
    "",
  ].join("\n");
}

function limitOf({ answerLimitBytes = OUTPUT_LIMIT_BYTES }: Check): number {
  return answerLimitBytes;
}

/** Puts the chunks of a survey's output together into answers, and takes their time as they come. */
class AnswerCollector {
  readonly answers = new Map<number, Answer>();
  readonly #parser: MarkerParser;
  readonly #limits: readonly number[];
  readonly #now: () => number;
  #text = "";
  #from = 0;

  /** @param limits bytes to keep of each answer, by its index. */
  constructor(nonce: string, limits: readonly number[], now: () => number) {
    this.#limits = limits;
    this.#parser = new MarkerParser(nonce);
    this.#now = now;
  }

  push(chunk: string): void {
    for (const signal of this.#parser.push(chunk)) {
      if (signal.kind === "text") {
        this.#text += signal.text;
      } else if (signal.kind === "begin") {
        this.#text = "";
        this.#from = this.#now();
      } else {
        this.answers.set(signal.index, this.#answer(signal.index, signal.status));
      }
    }
  }

  #answer(index: number, status: number): Answer {
    const until = this.#now();
    const bytes = Buffer.from(this.#text, "utf8");
    const limit = this.#limits[index] ?? OUTPUT_LIMIT_BYTES;
    const cut = bytes.length > limit;
    const output = cut ? bytes.subarray(0, limit).toString("utf8") : this.#text;
    return {
      status,
      reason: "",
      output,
      cut,
      durationMs: until - this.#from,
      askedFrom: this.#from,
      askedUntil: until,
    };
  }
}
