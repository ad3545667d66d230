import { KvciError } from "../../src/core/error.ts";
import { shortDigest } from "../../src/core/digest.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import type { RegistryState, RepositoryState, StepKind } from "./registry-state.ts";

export interface DiffTarget {
  readonly name: string;
  readonly required: boolean;
}

/**
 * What is missing, as steps: images and what they share, then indexes and attached documents, then everything is read back, then
 * the tags.
 *
 * @throws {KvciError} `publish-conflict` for a tag that stands for something else and may not move.
 */
export function diffRegistry(target: DiffTarget, { repositories }: RegistryState): readonly PublishStep[] {
  assertTagsFree(repositories);
  return repositories.flatMap((state) => new RepositoryDiff(target, state).steps());
}

function assertTagsFree(repositories: readonly RepositoryState[]): void {
  const taken = repositories.flatMap(({ host, repository, tags }) =>
    tags
      .filter(({ floating, former, digest }) => !floating && former !== null && former !== digest)
      .map(({ tag, former, digest }) => tagConflict(`${host}/${repository}:${tag}`, String(former), digest)),
  );
  const [first, ...others] = taken;
  if (!first) return;
  const also = others.flatMap(({ message, evidence }) => [message, ...evidence]);
  throw new KvciError("publish-conflict", first.message, { hint: first.hint, evidence: [...first.evidence, ...also] });
}

/** A tag of a release stands for one thing for ever. */
export function tagConflict(name: string, found: string, wanted: string): KvciError {
  return new KvciError("publish-conflict", `${name} stands for another image, and release tags do not move`, {
    hint: "Publish under another version (--release), with all architectures of it in one run; or list the tag in the target's floatingTags if it is to move.",
    evidence: [`there   ${found}`, `wanted  ${wanted}`],
  });
}

interface Draft {
  readonly kind: StepKind;
  readonly name: string;
  readonly phase: PublishStep["phase"];
  readonly title: string;
  readonly inputs: Readonly<Record<string, JsonValue>>;
  readonly needs?: readonly string[];
  readonly quantities?: Readonly<Record<string, number>>;
}

class RepositoryDiff {
  readonly #target: DiffTarget;
  readonly #state: RepositoryState;
  /** Ids of steps by what they make: `push sha256:…`. */
  readonly #made = new Map<string, string>();

  constructor(target: DiffTarget, state: RepositoryState) {
    this.#target = target;
    this.#state = state;
  }

  steps(): readonly PublishStep[] {
    const { images, indexes } = this.#state;
    const pushes = images.filter(({ present }) => !present).map((each) => this.#push(each));
    const indexSteps = indexes.filter(({ present }) => !present).map(({ index }) => this.#index(index));
    const attachments = images
      .filter(({ artifacts, attached }) => attached.length < artifacts.length)
      .map((each) => this.#attach(each));
    const moved = this.#state.tags.filter(({ former, digest }) => former !== digest);
    const checks = [...this.#imageChecks(moved), ...this.#indexChecks(moved)];
    return [...pushes, ...indexSteps, ...attachments, ...checks, ...this.#tags(moved)];
  }

  /**
   * One after another: images' own before those of indexes, floating ones last. A registry that is writing the one may refuse the
   * other (docker-registry does), and a run that dies leaves the most prominent ones as they were.
   */
  #tags(moved: RepositoryState["tags"]): PublishStep[] {
    const indexes = this.#state.indexes.map(({ index }) => index.digest);
    const rank = ({ floating, digest }: RepositoryState["tags"][number]): number =>
      (floating ? 2 : 0) + (indexes.includes(digest) ? 1 : 0);
    const steps: PublishStep[] = [];
    for (const tag of [...moved].sort((a, b) => rank(a) - rank(b))) {
      const step = this.#tag(tag);
      const before = steps.at(-1);
      steps.push(before ? { ...step, needs: [...step.needs, before.id] } : step);
    }
    return steps;
  }

  #push({ image, missing }: RepositoryState["images"][number]): PublishStep {
    const sent = image.blobs.filter(({ digest }) => missing.includes(digest));
    return this.#step({
      kind: "push",
      name: shortDigest(image.digest),
      phase: "stage",
      title: `push ${image.template} ${image.arch} to ${this.#state.repository}`,
      inputs: { image },
      quantities: { bytes: sent.reduce((sum, { size }) => sum + size, 0), layers: sent.length },
    });
  }

  #index(index: RepositoryState["indexes"][number]["index"]): PublishStep {
    return this.#step({
      kind: "index",
      name: shortDigest(index.digest),
      phase: "register",
      title: `put an index of ${index.children.length} images into ${this.#state.repository}`,
      inputs: { index },
      needs: index.children.flatMap((digest) => this.#making("push", digest)),
      quantities: { bytes: index.size },
    });
  }

  #attach({ image, artifacts, attached }: RepositoryState["images"][number]): PublishStep {
    const missing = artifacts.filter(({ manifest }) => !attached.includes(manifest.digest));
    return this.#step({
      kind: "attach",
      name: shortDigest(image.digest),
      phase: "register",
      title: `attach ${missing.map(({ title }) => title).join(", ")} to ${image.template} ${image.arch}`,
      inputs: { image, artifacts: missing },
      needs: this.#making("push", image.digest),
      quantities: { bytes: missing.reduce((sum, { size }) => sum + size, 0), documents: missing.length },
    });
  }

  #imageChecks(moved: RepositoryState["tags"]): PublishStep[] {
    const { images, indexes } = this.#state;
    return images.flatMap(({ image, artifacts }) => {
      const { digest, size, template, arch, blobs } = image;
      const made = [...this.#making("push", digest), ...this.#making("attach", digest)];
      const holders = indexes.filter(({ index }) => index.children.includes(digest)).map(({ index }) => index.digest);
      const isMoved = moved.some((tag) => [digest, ...holders].includes(tag.digest));
      if (made.length === 0 && !isMoved) return [];
      const attached = artifacts.map(({ manifest }) => manifest.digest);
      return [this.#check(`read back ${template} ${arch}`, { subject: { digest, size }, blobs, attached }, made)];
    });
  }

  #indexChecks(moved: RepositoryState["tags"]): PublishStep[] {
    return this.#state.indexes.flatMap(({ index: { digest, size } }) => {
      const made = this.#making("index", digest);
      if (made.length === 0 && !moved.some((tag) => tag.digest === digest)) return [];
      return [this.#check("read back the index", { subject: { digest, size }, blobs: [], attached: [] }, made)];
    });
  }

  #check(
    title: string,
    inputs: { readonly subject: { readonly digest: string; readonly size: number } } & Readonly<
      Record<string, JsonValue>
    >,
    needs: readonly string[],
  ): PublishStep {
    const name = shortDigest(inputs.subject.digest);
    return this.#step({ kind: "check", name, phase: "verify", title, inputs, needs });
  }

  #tag({ tag, floating, digest, former }: RepositoryState["tags"][number]): PublishStep {
    const { host, repository } = this.#state;
    return this.#step({
      kind: "tag",
      name: tag,
      phase: "promote",
      title: `${former === null ? "tag" : "move"} ${host}/${repository}:${tag}`,
      inputs: { tag, floating, digest, former },
      needs: this.#making("check", digest),
      quantities: { requests: 3 },
    });
  }

  #making(kind: StepKind, digest: string): readonly string[] {
    const id = this.#made.get(`${kind} ${shortDigest(digest)}`);
    return id === undefined ? [] : [id];
  }

  #step({ kind, name, needs = [], quantities = {}, inputs, ...draft }: Draft): PublishStep {
    const { host, repository } = this.#state;
    const id = `${this.#target.name}/${host}/${repository}/${kind}/${name}`;
    this.#made.set(`${kind} ${name}`, id);
    const { name: target, required } = this.#target;
    const own = { host, repository, ...inputs };
    const common = { target, place: host, required, reversible: true, exposes: kind === "tag" };
    return { id, kind, ...draft, ...common, inputs: own, needs, quantities };
  }
}
