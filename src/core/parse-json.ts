/** The value that a text of JSON says; undefined for a text that is none, as no JSON says that. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
