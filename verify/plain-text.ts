/** What a terminal takes for a command, and what XML 1.0 cannot hold; tab and line feed stay. */

const UNPRINTABLE = /\u001b\[[0-?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g;

/** Guests write what they like: text of theirs without escape sequences, control characters and half surrogate pairs. */
export function plainText(text: string): string {
  return text.toWellFormed().replace(UNPRINTABLE, "");
}
