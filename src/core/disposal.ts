/**
 * Runs `work` with a resource and disposes of the resource however the work ends, before its result or error is seen.
 * `await using` says the same, but Node 22 cannot parse it, and the sources run as they are on every Node we support.
 *
 * @throws what `work` threw; an error of the disposal only when the work succeeded, because the first error is the cause.
 */
export async function withDisposal<T extends AsyncDisposable, R>(
  resource: T,
  work: (resource: T) => Promise<R>,
): Promise<R> {
  let result: R;
  try {
    result = await work(resource);
  } catch (error) {
    await dispose(resource).catch(() => undefined);
    throw error;
  }
  await dispose(resource);
  return result;
}

/**
 * Runs `work` and disposes of the resource only when it fails: for what goes on living in the result.
 *
 * @throws what `work` threw.
 */
export async function disposedOnError<T extends AsyncDisposable, R>(
  resource: T,
  work: (resource: T) => Promise<R>,
): Promise<R> {
  try {
    return await work(resource);
  } catch (error) {
    await dispose(resource).catch(() => undefined);
    throw error;
  }
}

/** Holds resources that come one by one and end together, last come first gone; Node 22 has no `AsyncDisposableStack`. */
export class Disposer implements AsyncDisposable {
  #held: AsyncDisposable[] = [];

  /** Holds `resource` from now on, and gives it back. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#held.push(resource);
    return resource;
  }

  /** Hands everything held to a new disposer, for a caller that keeps it; disposing of this one then does nothing. */
  move(): Disposer {
    const heir = new Disposer();
    [heir.#held, this.#held] = [this.#held, []];
    return heir;
  }

  /** Every resource gets its turn, once. @throws the first error, when all have had theirs. */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const resource of this.#held.splice(0).reverse()) {
      await dispose(resource).catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }
}

async function dispose(resource: AsyncDisposable): Promise<void> {
  await resource[Symbol.asyncDispose]();
}
