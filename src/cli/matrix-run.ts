/** One piece of work of a run. */
export interface Job {
  readonly id: string;
  /** Jobs that have to be done before; they are among those of the run. */
  readonly after: readonly string[];
  /**
   * Names of what the job makes, lowest first: each stands on the one before. Jobs whose lists begin alike share that beginning,
   * and whichever runs first makes it for the others.
   */
  readonly makes: readonly string[];
}

export type Outcome<R> =
  | { readonly kind: "done"; readonly value: R }
  | { readonly kind: "failed"; readonly error: unknown }
  /** Never begun: `because` is the job that it needs and that did not succeed; undefined when the run was stopped. */
  | { readonly kind: "not-begun"; readonly because: string | undefined };

export interface RunOptions<J extends Job, R> {
  /** Jobs at once. */
  readonly limit: number;
  /** Nothing is begun after it was aborted; what runs is expected to end by it. */
  readonly signal: AbortSignal;
  /**
   * @param made is told how many of the job's `makes` are there; only more than before counts.
   * @returns whether the job succeeded, so far as jobs that need it are concerned, with its result.
   */
  readonly work: (job: J, made: (count: number) => void) => Promise<{ readonly ok: boolean; readonly value: R }>;
}

/**
 * Runs jobs side by side, each when what it needs is done and nobody is making what it shares: no job holds a place only to wait
 * for another. One that fails stops none but those that need it.
 *
 * @returns what became of each, in the order of `jobs`.
 */
export function runJobs<J extends Job, R>(
  jobs: readonly J[],
  options: RunOptions<J, R>,
): Promise<Map<string, Outcome<R>>> {
  return new JobRun(jobs, options).run();
}

interface Running<J> {
  readonly job: J;
  made: number;
}

class JobRun<J extends Job, R> {
  readonly #jobs: readonly J[];
  readonly #options: RunOptions<J, R>;
  readonly #waiting: J[];
  readonly #running = new Set<Running<J>>();
  readonly #outcomes = new Map<string, Outcome<R>>();
  readonly #succeeded = new Set<string>();
  readonly #ended = Promise.withResolvers<undefined>();

  constructor(jobs: readonly J[], options: RunOptions<J, R>) {
    this.#jobs = jobs;
    this.#options = options;
    this.#waiting = byNeed(jobs);
  }

  async run(): Promise<Map<string, Outcome<R>>> {
    const { signal } = this.#options;
    const advance = (): void => this.#advance();
    signal.addEventListener("abort", advance);
    try {
      this.#advance();
      await this.#ended.promise;
    } finally {
      signal.removeEventListener("abort", advance);
    }
    return new Map(
      this.#jobs.map(({ id }) => [id, this.#outcomes.get(id) ?? { kind: "not-begun", because: undefined }]),
    );
  }

  /** Begins what can begin; ends the run when nothing runs and nothing can. */
  #advance(): void {
    if (this.#options.signal.aborted) this.#waiting.length = 0;
    this.#giveUp();
    while (this.#running.size < this.#options.limit) {
      const job = this.#waiting.find((each) => this.#canBegin(each));
      if (!job) break;
      this.#waiting.splice(this.#waiting.indexOf(job), 1);
      void this.#begin(job);
    }
    if (this.#running.size === 0) this.#ended.resolve(undefined);
  }

  /** What needs a job that did not succeed, directly or not, is not begun. */
  #giveUp(): void {
    for (const job of [...this.#waiting]) {
      const because = job.after.find((id) => this.#outcomes.has(id) && !this.#succeeded.has(id));
      if (because === undefined) continue;
      this.#waiting.splice(this.#waiting.indexOf(job), 1);
      this.#outcomes.set(job.id, { kind: "not-begun", because });
      this.#giveUp();
      return;
    }
  }

  #canBegin(job: J): boolean {
    if (!job.after.every((id) => this.#succeeded.has(id))) return false;
    return [...this.#running].every((other) => sharedLength(job, other.job) <= other.made);
  }

  async #begin(job: J): Promise<void> {
    const running: Running<J> = { job, made: 0 };
    this.#running.add(running);
    const made = (count: number): void => {
      if (count <= running.made) return;
      running.made = count;
      this.#advance();
    };
    try {
      const { ok, value } = await this.#options.work(job, made);
      if (ok) this.#succeeded.add(job.id);
      this.#outcomes.set(job.id, { kind: "done", value });
    } catch (error) {
      this.#outcomes.set(job.id, { kind: "failed", error });
    }
    this.#running.delete(running);
    this.#advance();
  }
}

/** Those first that most others need or share something with; else as they were given. */
function byNeed<J extends Job>(jobs: readonly J[]): J[] {
  const weight = (job: J): number =>
    jobs.filter((other) => other !== job && (other.after.includes(job.id) || sharedLength(job, other) > 0)).length;
  const weights = new Map(jobs.map((job) => [job, weight(job)]));
  return [...jobs].sort((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0));
}

/** How many of the things they make are the same, from the lowest on. */
function sharedLength({ makes }: Job, other: Job): number {
  const differs = makes.findIndex((name, index) => name !== other.makes[index]);
  return differs === -1 ? makes.length : differs;
}
