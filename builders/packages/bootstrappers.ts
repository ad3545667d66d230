import type { Distribution, PackagesBase } from "../../src/core/base.ts";
import { KvciError } from "../../src/core/error.ts";
import type { Bootstrapper } from "./bootstrapper.ts";
import { aptBootstrapper } from "./mmdebstrap.ts";

/** One per package manager. A bootstrapper for dnf is added here, its releases in recipe.ts. */
const BOOTSTRAPPERS: Readonly<Partial<Record<Distribution, Bootstrapper>>> = {
  debian: aptBootstrapper,
  ubuntu: aptBootstrapper,
};

/** @throws {KvciError} `base-failed` for distributions without one. */
export function bootstrapperOf(spec: PackagesBase): Bootstrapper {
  const bootstrapper = BOOTSTRAPPERS[spec.distribution];
  if (bootstrapper) return bootstrapper;
  throw new KvciError("base-failed", `no bootstrapper makes a base from ${spec.distribution}'s packages`, {
    hint: `Start from cloudImage({ distribution: "${spec.distribution}", release: "${spec.release}" }), or from packages of debian or ubuntu.`,
  });
}
