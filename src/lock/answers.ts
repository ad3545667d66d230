import { bounded } from "../core/bounded.ts";
import { ERRORS, KvciError } from "../core/error.ts";

/** One thing to find out. */
export interface Question {
  /** Tells it from the others. */
  readonly key: string;
  /** Names it in errors: `file https://…`. */
  readonly entry: string;
  readonly ask: () => Promise<void>;
}

/** An entry that could not be resolved, and why. */
export interface Failure {
  readonly key: string;
  readonly entry: string;
  readonly error: KvciError;
}

/**
 * Asks all questions, `limit` at once; what fails for reasons of its own is noted, and the others are asked nevertheless.
 *
 * @throws what is not about one question: an interruption, a full disk, a missing program, a defect.
 */
export async function askAll(questions: readonly Question[], limit: number): Promise<Failure[]> {
  const failures = await bounded(questions, limit, async ({ key, entry, ask }) => {
    try {
      await ask();
      return [];
    } catch (error) {
      if (error instanceof KvciError && isAboutOne(error)) return [{ key, entry, error }];
      throw error;
    }
  });
  return failures.flat();
}

function isAboutOne({ code }: KvciError): boolean {
  return ERRORS[code].exit === ERRORS["download-failed"].exit || code === "template-invalid";
}

/**
 * One error for all that failed. It has the code and the hint of the first; its evidence names every entry with its reason.
 *
 * @param doing what did not work out, for the message: `resolve`, `fetch`.
 */
export function failedTogether(failures: readonly Failure[], doing: string): KvciError {
  const [first] = failures;
  if (first === undefined) return new KvciError("internal", "nothing failed", { hint: "Report this." });
  const { error, entry } = first;
  if (failures.length === 1) {
    const { code, message, hint, evidence } = error;
    return new KvciError(code, `cannot ${doing} ${entry}: ${message}`, { hint, evidence, cause: error.cause });
  }
  const evidence = failures.flatMap((each) => [
    `${each.entry}: ${each.error.message} (${each.error.code})`,
    ...each.error.evidence.slice(0, 3).map((line) => `  ${line}`),
  ]);
  return new KvciError(
    error.code,
    `cannot ${doing} ${failures.length} entries, the first is ${entry}: ${error.message}`,
    {
      hint: error.hint,
      evidence,
    },
  );
}
