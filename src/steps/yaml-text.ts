/** What YAML and JSON can both say. */
export type YamlValue = string | number | boolean | null | readonly YamlValue[] | { readonly [key: string]: YamlValue };

/** Words that YAML 1.1, which Kubernetes still reads, takes for something else than text. */
const NOT_TEXT = /^(?:true|false|null|yes|no|on|off|y|n)$/i;
const PLAIN = /^[A-Za-z/][A-Za-z0-9_./-]*$/;

/** Documents as YAML in block style, a line per value, so that a review shows what changes. Text is quoted unless it is a plain word. */
export function yamlText(...documents: readonly YamlValue[]): string {
  return documents.map((document) => `${block(document).join("\n")}\n`).join("---\n");
}

function block(value: YamlValue): readonly string[] {
  if (isList(value)) return value.length === 0 ? ["[]"] : value.flatMap((item) => indented("- ", block(item)));
  if (typeof value !== "object" || value === null) return [scalar(value)];
  const entries = Object.entries(value);
  return entries.length === 0 ? ["{}"] : entries.flatMap(([key, item]) => entry(scalar(key), item));
}

function entry(key: string, value: YamlValue): readonly string[] {
  const inner = block(value);
  const nested = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  return nested ? [`${key}:`, ...inner.map((line) => `  ${line}`)] : [`${key}: ${inner.join("")}`];
}

function indented(mark: string, text: readonly string[]): readonly string[] {
  return text.map((line, index) => (index === 0 ? mark : "  ") + line);
}

/** JSON's quoted text is YAML's, too. */
function scalar(value: string | number | boolean | null): string {
  const plain = typeof value === "string" && PLAIN.test(value) && !NOT_TEXT.test(value);
  return plain ? value : JSON.stringify(value);
}

function isList(value: YamlValue): value is readonly YamlValue[] {
  return Array.isArray(value);
}
