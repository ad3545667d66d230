const SECOND_MS = 1_000;
const MINUTE_S = 60;
const HOUR_S = 3_600;

/** A finished time for people: `0.3 s`, `12.4 s`, `2 m 03 s`, `1 h 02 m`. */
export function formatDuration(ms: number): string {
  const tenths = Math.round(Math.max(0, ms) / 100);
  if (tenths < MINUTE_S * 10) return `${(tenths / 10).toFixed(1)} s`;
  return formatElapsed(Math.round(ms / SECOND_MS) * SECOND_MS);
}

/** A running time in whole seconds, so that it does not flicker: `12 s`, `2 m 03 s`, `1 h 02 m`. */
export function formatElapsed(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / SECOND_MS + 1e-6);
  if (seconds < MINUTE_S) return `${String(seconds)} s`;
  if (seconds < HOUR_S) return `${String(Math.floor(seconds / MINUTE_S))} m ${twoDigits(seconds % MINUTE_S)} s`;
  return `${String(Math.floor(seconds / HOUR_S))} h ${twoDigits(Math.floor((seconds % HOUR_S) / MINUTE_S))} m`;
}

const BYTE_UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

/** A size in binary units: `512 B`, `1.50 KiB`, `312 MiB`, `1.62 GiB`: three digits that count. */
export function formatBytes(bytes: number): string {
  const whole = Math.max(0, Math.round(bytes));
  if (whole < 1024) return `${String(whole)} B`;
  let value = whole;
  let unit = "B";
  for (const next of BYTE_UNITS) {
    // 1023.95 would be printed as "1024".
    if (value < 1023.5) break;
    value /= 1024;
    unit = next;
  }
  return `${threeDigits(value)} ${unit}`;
}

/** A rate: `12.3 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `done` of `total` in the unit of the total, for progress: `210 / 340 MiB`. */
export function formatProgress(doneBytes: number, totalBytes: number): string {
  const total = formatBytes(totalBytes);
  const [, unit = "B"] = total.split(" ");
  const power = (BYTE_UNITS as readonly string[]).indexOf(unit) + 1;
  return `${threeDigits(doneBytes / 1024 ** power)} / ${total}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95 || Number.isInteger(value)) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
