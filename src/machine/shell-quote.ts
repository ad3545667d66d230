/**
 * One POSIX shell word that stands for exactly `text`. Single quotes keep every byte but the single quote itself and
 * NUL, which no argument can hold.
 */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command line that a POSIX shell splits into exactly `argv`. */
export function shellCommand(argv: readonly string[]): string {
  // A leading word with "=" would be taken for an assignment, so the command word is always quoted when it has one.
  const [command = "", ...rest] = argv;
  const first = command.includes("=") ? `'${command.replaceAll("'", `'\\''`)}'` : shellQuote(command);
  return [first, ...rest.map(shellQuote)].join(" ");
}
