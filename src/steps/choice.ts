import { InputError } from "../core/input.ts";
import { didYouMean } from "../core/near-name.ts";

/**
 * What a name stands for, for families of templates that take names: `choice("base", base, BASES)`.
 *
 * @param what says in the message what is chosen.
 * @throws {InputError} `template-invalid` with the nearest name, or all of them.
 */
export function choice<T>(what: string, name: string, among: Readonly<Record<string, T>>): T {
  const names = Object.keys(among);
  const index = names.indexOf(name);
  const chosen = Object.values(among)[index];
  if (index >= 0 && chosen !== undefined) return chosen;
  const message = `${JSON.stringify(name)} is not known here${didYouMean(name, names) || `; known are ${names.join(", ")}`}`;
  throw new InputError("template-invalid", what, [{ path: [], message }], "See docs/kubernetes.md.");
}
