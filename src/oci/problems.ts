import { KvciError } from "../core/error.ts";

/** Past this many, a list of what is wrong helps nobody. */
const MAX_PROBLEMS = 100;

/** What is wrong with a layout, collected while reading goes on, so that one look shows all of it. */
export interface Problems {
  /** `file` is relative to the layout. */
  add(file: string, what: string): void;
  any(): boolean;
  /** @throws {KvciError} `layout-invalid` with every problem as evidence, if there are any. */
  throwIfAny(): void;
}

export function collectProblems(folder: string): Problems {
  const found: string[] = [];
  return {
    add: (file, what) => {
      const line = `${file}: ${what}`;
      if (found.length < MAX_PROBLEMS && !found.includes(line)) found.push(line);
    },
    any: () => found.length > 0,
    throwIfAny: () => {
      const [first] = found;
      if (first === undefined) return;
      const more = found.length === 1 ? "" : ` (and ${String(found.length - 1)} more)`;
      throw new KvciError("layout-invalid", `${folder}: ${first}${more}`, {
        hint: "Copy the layout again from where it came, or build the image again.",
        evidence: found,
      });
    },
  };
}
