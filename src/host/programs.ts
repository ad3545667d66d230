/** Interim until the table of host programs lands. */
export function installHint(program: string): string {
  return `Run \`kvci-build doctor --fix\`, or install ${program} with your package manager.`;
}
