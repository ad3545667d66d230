const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  SEGV: 11,
  PIPE: 13,
  TERM: 15,
};

/** The status that a shell would tell of a command that ended so. */
export function exitStatus(code: number | null, signal?: string): number {
  return code ?? 128 + (SIGNAL_NUMBERS[signal?.replace(/^SIG/, "") ?? ""] ?? 0);
}
