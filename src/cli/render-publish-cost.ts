import type { Paint } from "../journal/paint.ts";
import type { Cost, CostLine } from "../publish/cost.ts";
import { table } from "./table.ts";

/** What a plan takes of everything, and what that costs as far as the targets have prices. */
export function costLines({ lines, usd, unknown, asOf }: Cost, paint: Paint): string[] {
  if (lines.length === 0) return [];
  const rows = lines.map((line) => [
    line.target,
    amountText(line.amount),
    unitText(line.unit, line.amount),
    priceText(line),
  ]);
  const body = table(["left", "right", "left", "right"], rows).map((line) => `  ${line}`);
  const dates = asOf.length > 0 ? `; prices of ${asOf.join(", ")}` : "";
  return [paint("cyan", "takes"), ...body, paint("bold", `cost: ${sumText({ usd, unknown, lines })}`) + dates];
}

function sumText({ usd, unknown, lines }: Pick<Cost, "usd" | "unknown" | "lines">): string {
  if (unknown.length === 0) return dollars(usd);
  if (!lines.some((line) => line.usd !== undefined)) return "unknown: the targets have no prices";
  return `${dollars(usd)}, and what is unknown: ${unknown.join(", ")}`;
}

function priceText({ usd, isPriced }: CostLine): string {
  if (!isPriced) return "";
  return usd === undefined ? "unknown" : dollars(usd);
}

/** Cents are not enough for a price of a thousand requests. */
function dollars(amount: number): string {
  return `${amount.toFixed(amount > 0 && amount < 0.01 ? 4 : 2)} USD`;
}

const SINGULAR: Readonly<Record<string, string>> = {
  copies: "copy",
  requests: "request",
  layers: "layer",
  documents: "document",
};

export function unitText(unit: string, amount: number): string {
  return amount === 1 ? (SINGULAR[unit] ?? unit) : unit;
}

function amountText(amount: number): string {
  if (Number.isInteger(amount)) return String(amount);
  return amount < 0.01 ? "< 0.01" : amount.toFixed(2);
}
