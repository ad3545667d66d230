import { KvciError } from "../../src/core/error.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import { PHASES, type Phase } from "../../src/publish/phase.ts";
import type { PublishedImage, Publisher, ReleaseBuild } from "../../src/publish/publisher.ts";
import type { PublishStep } from "../../src/publish/step.ts";

export interface FakePlace {
  readonly place: string;
  readonly required?: boolean;
  readonly phases?: readonly Phase[];
}

/** A target whose places hold the ids of the steps done there, in the order in which they were done. */
export class FakePublisher implements Publisher<readonly string[]> {
  readonly kind = "registry";
  readonly target: string;
  readonly done: string[] = [];
  /** Ids of steps that fail. */
  readonly failing = new Map<string, KvciError>();
  readonly #places: readonly FakePlace[];

  constructor(target: string, places: readonly FakePlace[]) {
    this.target = target;
    this.#places = places;
  }

  observe(): Promise<readonly string[]> {
    return Promise.resolve([...this.done]);
  }

  preflight(): Promise<[]> {
    return Promise.resolve([]);
  }

  diff(_builds: readonly ReleaseBuild[], state: readonly string[]): readonly PublishStep[] {
    return this.#places.flatMap(({ place, required = true, phases = PHASES }) =>
      phases
        .filter((phase) => !state.includes(`${this.target}/${place}/${phase}`))
        .map((phase) => fakeStep({ target: this.target, place, phase, required })),
    );
  }

  async run(step: PublishStep): Promise<Record<string, JsonValue>> {
    // Others get a turn in between, as with anything that goes over a wire.
    await new Promise((resolve) => setImmediate(resolve));
    const failure = this.failing.get(step.id);
    if (failure) throw failure;
    if (!this.done.includes(step.id)) this.done.push(step.id);
    return { id: `made by ${step.id}` };
  }

  undo(step: PublishStep): Promise<void> {
    const index = this.done.indexOf(step.id);
    if (index >= 0) this.done.splice(index, 1);
    return Promise.resolve();
  }

  published(): Promise<readonly PublishedImage[]> {
    return Promise.resolve([]);
  }

  garbage(): Promise<[]> {
    return Promise.resolve([]);
  }

  collect(): Promise<void> {
    return Promise.resolve();
  }
}

export function fakeStep(given: Partial<PublishStep> & Pick<PublishStep, "target" | "place" | "phase">): PublishStep {
  const { target, place, phase } = given;
  return {
    id: `${target}/${place}/${phase}`,
    kind: "fake",
    required: true,
    title: `${phase} ${place}`,
    inputs: {},
    needs: [],
    quantities: {},
    reversible: true,
    exposes: phase === "publish",
    ...given,
  };
}

export function broken(what: string): KvciError {
  return new KvciError("publish-failed", what, { hint: "Try again." });
}
