import { unfitPrograms, type Diagnosis, type DoctorRow, type HostFact } from "./doctor.ts";
import { FEATURES, type Feature } from "./programs.ts";

/** A diagnosis as two aligned tables for people, programs first; ends with what to do. */
export function renderDoctor(diagnosis: Diagnosis): string {
  const { programs, host } = diagnosis;
  const rows = programs.map((row) => [mark(row.state === "ok"), row.program, where(row), titles(row.neededFor)]);
  const facts = host.map((fact) => [mark(fact.ok), fact.name, describeFact(fact)]);
  return [
    ...table([["", "PROGRAM", "FOUND", "NEEDED FOR"], ...rows]),
    "",
    ...table([["", "HOST", ""], ...facts]),
    "",
    ...advice(diagnosis),
    "",
  ].join("\n");
}

function advice(diagnosis: Diagnosis): readonly string[] {
  const missing = diagnosis.programs.filter((row) => row.state !== "ok");
  if (missing.length === 0) return ["Everything is there."];
  const lines = table(missing.map((row) => [`  ${row.program}`, row.fix ?? ""]));
  const unfit = unfitPrograms(diagnosis).length;
  if (unfit === 0) return ["Everything that a verb needs is there; the project's own tests need more:", ...lines];
  return [`\`kvci-build doctor --fix\` mends the ${String(unfit)} that a verb needs. One by one:`, ...lines];
}

function titles(features: readonly Feature[]): string {
  return features.map((feature) => FEATURES[feature]).join(", ");
}

function where(row: DoctorRow): string {
  if (row.state === "missing") return "missing";
  const version = row.version === undefined ? "" : `${row.version} `;
  return `${version}${row.path ?? ""}${row.state === "too-old" ? " (too old)" : ""}`;
}

function describeFact({ value, reason }: HostFact): string {
  return reason === undefined ? value : `${value}: ${reason}`;
}

function mark(ok: boolean): string {
  return ok ? "ok" : "!!";
}

/** Columns as wide as their widest cell, two spaces apart; the last one is not padded. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
