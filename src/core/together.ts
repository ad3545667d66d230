/**
 * Two pieces of work side by side. When one fails, the other is waited for before the error is thrown: nothing goes on behind
 * an error.
 */
export async function together<A, B>(first: Promise<A>, second: Promise<B>): Promise<readonly [A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}
