import { shortDigest } from "../src/core/digest.ts";
import type { Finding, VerificationResult } from "../src/core/finding.ts";
import { plainText } from "./plain-text.ts";

/** Evidence lines shown per failed finding; the record and JUnit have all of them. */
const EVIDENCE_LINES = 12;

/** The result for a person: one line per finding, evidence below those that failed, the sum at the end. */
export function renderResult(result: VerificationResult): string {
  const width = Math.max(...result.findings.map(({ check }) => check.length));
  const failed = result.findings.filter(({ ok }) => !ok).length;
  const total = String(result.findings.length);
  const sum = failed === 0 ? `passes all ${total} checks` : `fails ${String(failed)} of ${total} checks`;
  const subject = `${shortDigest(result.digest)} ${sum} of suite ${result.suite} on ${result.place}`;
  return [
    ...result.findings.flatMap((finding) => lines(finding, width)),
    `${subject} in ${seconds(result.durationMs)}`,
    "",
  ].join("\n");
}

function lines(finding: Finding, width: number): string[] {
  const detail = plainText(finding.detail).replace(/\s+/g, " ");
  const line = `${finding.ok ? "ok  " : "FAIL"}  ${finding.check.padEnd(width)}  ${seconds(finding.durationMs).padStart(7)}  ${detail}`;
  if (finding.ok) return [line];
  const shown = finding.evidence
    .slice(0, EVIDENCE_LINES)
    .map((text) => `      ${plainText(text).replaceAll("\n", " ")}`);
  const hidden = finding.evidence.length - shown.length;
  return [line, ...shown, ...(hidden > 0 ? [`      and ${String(hidden)} more lines`] : [])];
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
