/** Bytes in pieces of odd sizes, as pipes give them. */
export async function* pieces(data: Uint8Array, sizes: readonly number[] = [data.length]): AsyncGenerator<Uint8Array> {
  for (let from = 0, turn = 0; from < data.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? data.length;
    yield data.subarray(from, from + size);
    from += size;
  }
}

export async function collected(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  // Memory of a piece may be used again for the next one.
  for await (const piece of stream) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}
