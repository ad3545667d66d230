import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import { didYouMean } from "../core/near-name.ts";
import type { Prices, Target } from "../core/target.ts";

/** What `--target` calls a target: its name; registries on quay.io are `quay` unless they have one. */
export function targetName(target: Target): string {
  if (target.name !== undefined) return target.name;
  return target.kind === "registry" && target.repository.startsWith("quay.io/") ? "quay" : target.kind;
}

/** Prices of targets, by name. */
export function pricesOf(targets: readonly Target[]): ReadonlyMap<string, Prices> {
  return new Map(targets.flatMap((target) => (target.prices ? [[targetName(target), target.prices]] : [])));
}

/**
 * The targets of an environment that are meant, each under a name that no other of the run has.
 *
 * @param wanted names or kinds; none for all.
 * @throws {KvciError} `usage` for a name that no target has, `environment-invalid` when there is no target at all.
 */
export function targetsNamed({ publishTo }: Environment, wanted: readonly string[]): readonly Target[] {
  if (publishTo.length === 0) {
    throw new KvciError("environment-invalid", "the environment has no target to publish to", {
      hint: 'Give it some: publishTo: [{ kind: "registry", repository: "quay.io/org/{template}" }]. See docs/publishing.md.',
    });
  }
  const named = uniquelyNamed(publishTo);
  const known = [...new Set(named.flatMap(({ name = "", kind }) => [name, kind]))];
  const unknown = wanted.find((each) => !known.includes(each));
  if (unknown !== undefined) {
    throw new KvciError("usage", `the environment has no target "${unknown}"${didYouMean(unknown, known)}`, {
      hint: `Its targets are ${named.map(({ name }) => name).join(", ")}.`,
    });
  }
  if (wanted.length === 0) return named;
  return named.filter(({ name = "", kind }) => wanted.includes(name) || wanted.includes(kind));
}

/** Two targets of one name get numbers: what a ledger says of one must not be taken for the other. */
function uniquelyNamed(targets: readonly Target[]): readonly Target[] {
  const seen = new Map<string, number>();
  return targets.map((target) => {
    const name = targetName(target);
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { ...target, name: count === 1 ? name : `${name}-${String(count)}` };
  });
}
