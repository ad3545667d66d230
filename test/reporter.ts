import { writeFileSync } from "node:fs";
import Mocha, { type MochaOptions, type Runner, type Test } from "mocha";

/** What a run of mocha adds up to; test/run.ts reads it back. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Prints every test as it ends, with its time when that is worth knowing, the failures once more at the end, and
 * writes the totals to the file of the reporter option `totals`. Pending tests count as failed: nothing is skipped here.
 */
export default class Reporter {
  constructor(runner: Runner, options: MochaOptions) {
    const failures: Test[] = [];
    let passed = 0;
    let suite = "";
    const heading = (test: Test): void => {
      const title = test.parent?.fullTitle() ?? "";
      if (title !== suite) console.log(`  ${title}`);
      suite = title;
    };
    runner.on("pass", (test) => {
      heading(test);
      passed += 1;
      console.log(`    ok  ${test.title}${duration(test)}`);
    });
    const fail = (test: Test, error?: unknown): void => {
      heading(test);
      if (error !== undefined) test.err = error as Error;
      failures.push(test);
      console.log(`    !!  ${test.title}${duration(test)}`);
    };
    runner.on("fail", fail);
    runner.on("pending", (test) => fail(test, Object.assign(new TypeError("skipped"), { stack: "" })));
    runner.once("end", () => {
      Mocha.reporters.Base.list(failures);
      writeTotals(options, { passed, failed: failures.length });
    });
  }
}

function duration(test: Test): string {
  const { duration: ms = 0 } = test;
  return ms < 75 ? "" : ` (${ms < 1000 ? `${String(ms)} ms` : `${(ms / 1000).toFixed(1)} s`})`;
}

function writeTotals(
  { reporterOption }: MochaOptions & { reporterOption?: Record<string, unknown> },
  totals: Totals,
): void {
  const path = reporterOption?.["totals"];
  if (typeof path === "string") writeFileSync(path, JSON.stringify(totals));
}
