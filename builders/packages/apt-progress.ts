/** What apt has fetched of what it said it would, in bytes. */
export interface DownloadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

const UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

/** apt's own way to write sizes: "512 B", "1,234 kB", "12.3 MB"; powers of 1000. */
function parseSize(number: string, unit: string): number {
  return Math.round(Number(number.replaceAll(",", "")) * (UNITS[unit] ?? 0));
}

/**
 * Reads apt's output as it comes and adds up what was fetched. apt names the total of each of its runs rounded to three
 * digits ("Need to get 123 MB of archives."), so done may end slightly beside total; it is capped there.
 *
 * @returns a function that takes one line and returns the progress when the line changed it.
 */
export function aptProgress(): (line: string) => DownloadProgress | undefined {
  let doneBytes = 0;
  let totalBytes = 0;
  return (line) => {
    const need = /^Need to get (?:[\d.,]+ [kMG]?B\/)?([\d.,]+) ([kMG]?B) of archives/.exec(line);
    if (need) {
      totalBytes = doneBytes + parseSize(need[1] ?? "", need[2] ?? "");
      return { doneBytes, totalBytes };
    }
    // Package lists come before the first total, and are not counted.
    const got = totalBytes === 0 ? null : /^Get:\d+ .* \[([\d.,]+) ([kMG]?B)\]$/.exec(line);
    if (!got) return undefined;
    doneBytes = Math.min(doneBytes + parseSize(got[1] ?? "", got[2] ?? ""), totalBytes);
    return { doneBytes, totalBytes };
  };
}
