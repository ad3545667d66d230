import { judgeEach, type Check, type Subject } from "../check.ts";

/** Certificates are the first thing to break when a clock is off; a minute is far less than any of them allows. */
const TOLERANCE_MS = 60_000;

export const clockSane: Check = {
  name: "clock-sane",
  proves: "The clock tells the time within a minute of this host's.",
  timeoutMs: 30_000,
  probe: "date +%s",
  judge: (subjects) => judgeEach(subjects, "within a minute of this host's clock", complain),
};

function complain({ output, askedFrom, askedUntil }: Subject): string[] {
  const guest = output.trim() === "" ? Number.NaN : Number(output.trim()) * 1000;
  if (!Number.isFinite(guest)) return [`"${output.trim()}" is not a time`];
  const offMs = guest < askedFrom ? guest - askedFrom : Math.max(0, guest - askedUntil);
  if (Math.abs(offMs) <= TOLERANCE_MS) return [];
  return [`the clock is ${String(Math.round(Math.abs(offMs) / 1000))} s ${offMs < 0 ? "behind" : "ahead"}`];
}
