import { invalid } from "./gcp-fault.ts";
import { textIn, type Json } from "./gcp-state.ts";

/** The part of the filter language that is used here: `field = "value"`, several joined by AND. */
export function matches(filter: string, resource: Json): boolean {
  if (filter.trim() === "") return true;
  return filter.split(/\s+AND\s+/).every((part) => {
    const { field = "", value } =
      /^\(?\s*(?<field>[\w.-]+)\s*=\s*"?(?<value>[^"()]*?)"?\s*\)?$/.exec(part)?.groups ?? {};
    if (value === undefined) throw invalid(`Invalid list filter expression: ${part}`);
    return valueAt(resource, field) === value;
  });
}

/** Nothing at all is an empty text. */
function valueAt(resource: Json, field: string): string {
  const [first = "", ...rest] = field.split(".");
  const of = rest.length === 0 ? resource : (resource[first] as Json | undefined);
  return textIn(of, rest.length === 0 ? first : rest.join(".")) ?? "";
}
