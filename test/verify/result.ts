import { sha256 } from "../../src/core/digest.ts";
import type { VerificationResult } from "../../src/core/finding.ts";

/** A result with a good and a bad finding; the bad one says what terminals and XML choke on. */
export const RESULT: VerificationResult = {
  formatVersion: 1,
  digest: sha256("disk"),
  suite: "boot",
  place: "qemu",
  ok: false,
  startedAt: "2026-01-02T03:04:05.000Z",
  durationMs: 61_500,
  findings: [
    {
      check: "boots-by-firmware",
      ok: true,
      detail: "by uefi in 31.3 s",
      evidence: ["verify-a: root=LABEL=root ro"],
      durationMs: 120,
    },
    {
      check: "no-failed-units",
      ok: false,
      detail: 'verify-a: "a.service" <failed> & more',
      evidence: ["\u001b[1;31mred\u001b[0m ]]> \u0000\u0007bell", "half \ud800 pair", "tab\tand\nline"],
      durationMs: 1_500,
    },
  ],
};
