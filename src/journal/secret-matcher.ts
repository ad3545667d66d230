/**
 * An automaton that finds any of many texts in one pass (Aho and Corasick, 1975). After each code unit its state is the
 * longest suffix of the input that some pattern begins with, so it also knows how much of a chunk's end has to wait.
 */
export interface SecretMatcher {
  readonly empty: boolean;
  /** The state after `code`, a UTF-16 code unit; state 0 is the start. */
  next(state: number, code: number): number;
  /** Length of the suffix that some pattern begins with. */
  depth(state: number): number;
  /** Length of the longest pattern that ends here; 0 for none. */
  matched(state: number): number;
}

interface Trie {
  /** Child by parent state and code unit, in one number. */
  readonly edges: Map<number, number>;
  readonly depths: number[];
  readonly matches: number[];
  /** Parent state and code unit per state, in order of depth per pattern. */
  readonly parents: number[];
  readonly codes: number[];
}

const CODE_UNITS = 0x1_0000;

export function createSecretMatcher(patterns: Iterable<string>): SecretMatcher {
  const trie: Trie = { edges: new Map(), depths: [0], matches: [0], parents: [0], codes: [0] };
  for (const pattern of patterns) insert(trie, pattern);
  const fails = failLinks(trie);
  const { edges } = trie;
  const depths = Uint32Array.from(trie.depths);
  const matches = Uint32Array.from(trie.matches);
  return {
    empty: depths.length === 1,
    next(state, code) {
      let from = state;
      for (;;) {
        const to = edges.get(from * CODE_UNITS + code);
        if (to !== undefined) return to;
        if (from === 0) return 0;
        from = at(fails, from);
      }
    },
    depth: (state) => at(depths, state),
    matched: (state) => at(matches, state),
  };
}

function insert(trie: Trie, pattern: string): void {
  let state = 0;
  for (let index = 0; index < pattern.length; index += 1) {
    const edge = state * CODE_UNITS + pattern.charCodeAt(index);
    const known = trie.edges.get(edge);
    if (known !== undefined) {
      state = known;
      continue;
    }
    const added = trie.depths.push(index + 1) - 1;
    trie.edges.set(edge, added);
    trie.matches.push(0);
    trie.parents.push(state);
    trie.codes.push(pattern.charCodeAt(index));
    state = added;
  }
  if (state !== 0) trie.matches[state] = pattern.length;
}

/** For every state the longest proper suffix that is a state, too; shorter states first, as each needs those of its prefix. */
function failLinks({ edges, depths, matches, parents, codes }: Trie): Uint32Array {
  const fails = new Uint32Array(depths.length);
  for (const state of shallowFirst(depths)) {
    const parent = at(parents, state);
    if (parent === 0) continue;
    const code = at(codes, state);
    let from = at(fails, parent);
    while (from !== 0 && !edges.has(from * CODE_UNITS + code)) from = at(fails, from);
    const fail = edges.get(from * CODE_UNITS + code) ?? 0;
    fails[state] = fail;
    matches[state] = Math.max(at(matches, state), at(matches, fail));
  }
  return fails;
}

function shallowFirst(depths: readonly number[]): number[] {
  return depths.map((_, state) => state).sort((a, b) => at(depths, a) - at(depths, b));
}

/** Every state has an entry in every list. */
function at(list: ArrayLike<number>, state: number): number {
  return list[state] ?? 0;
}
