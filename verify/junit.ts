import type { Finding, VerificationResult } from "../src/core/finding.ts";
import { plainText } from "./plain-text.ts";

/**
 * The result as JUnit XML, which CI systems show: one testsuite, one testcase per finding, times in seconds. The digest
 * that was tested stands in the properties.
 */
export function renderJUnit(result: VerificationResult): string {
  const failures = result.findings.filter(({ ok }) => !ok).length;
  const counts = `tests="${String(result.findings.length)}" failures="${String(failures)}" errors="0" skipped="0" time="${seconds(result.durationMs)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite ${attribute("name", `${result.suite} on ${result.place}`)} ${counts} ${attribute("timestamp", result.startedAt)}>`,
    "    <properties>",
    `      <property name="digest" ${attribute("value", result.digest)}/>`,
    `      <property name="place" ${attribute("value", result.place)}/>`,
    "    </properties>",
    ...result.findings.flatMap((finding) => testcase(finding, result)),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function testcase(finding: Finding, { suite }: VerificationResult): string[] {
  const start = `    <testcase ${attribute("classname", `kvci-build.${suite}`)} ${attribute("name", finding.check)} time="${seconds(finding.durationMs)}"`;
  const lines = text([finding.detail, ...finding.evidence].join("\n"));
  if (finding.ok) return [`${start}>`, `      <system-out>${lines}</system-out>`, "    </testcase>"];
  const failure = `      <failure type="check" ${attribute("message", finding.detail)}>${lines}</failure>`;
  return [`${start}>`, failure, "    </testcase>"];
}

function attribute(name: string, value: string): string {
  // An XML reader turns raw white space in an attribute into blanks.
  return `${name}="${text(value).replaceAll('"', "&quot;").replaceAll("\n", "&#10;").replaceAll("\t", "&#9;")}"`;
}

function text(value: string): string {
  return plainText(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
