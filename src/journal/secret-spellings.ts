/** Values shorter than this are not looked for: they would blank unrelated text and protect nothing. In UTF-16 code units. */
export const MIN_SECRET = 6;
/** Lines of a multi-line secret shorter than this are matched only as part of the whole. */
const MIN_SECRET_LINE = 16;
/** Where tools break base64: `base64` of coreutils at 76, OpenSSL and PEM at 64. */
const BASE64_LINES = [64, 76] as const;

/** Everything a secret may look like in output: as it is, encoded, quoted and in lines; each at least `MIN_SECRET` long. */
export function secretSpellings(secret: string): readonly string[] {
  if (secret.length < MIN_SECRET) return [];
  const whole = secret.toWellFormed();
  const spellings = new Set([
    secret,
    ...lines(secret),
    ...quoted(whole),
    ...urlEncoded(whole),
    ...hex(whole),
    ...base64(whole),
  ]);
  // A trailing newline of a secret read from a file is often lost on the way.
  const trimmed = secret.trim();
  if (trimmed !== secret) for (const spelling of secretSpellings(trimmed)) spellings.add(spelling);
  return [...spellings].filter((spelling) => spelling.length >= MIN_SECRET);
}

function lines(secret: string): string[] {
  if (!secret.includes("\n")) return [];
  const single = secret
    .split(/\r?\n/)
    .map((line) => line.trim())
    // The frame of a PEM file is no secret, and public keys and certificates share it.
    .filter((line) => line.length >= MIN_SECRET_LINE && !/^-----(?:BEGIN|END) [A-Z0-9 ]+-----$/.test(line));
  const unix = secret.replaceAll("\r\n", "\n");
  return [...single, unix, unix.replaceAll("\n", "\r\n")];
}

function quoted(secret: string): string[] {
  return [
    JSON.stringify(secret).slice(1, -1),
    secret.replaceAll("'", `'\\''`),
    secret.replaceAll("'", `'"'"'`),
    // Inside double quotes, and word by word as `printf %q` does it.
    secret.replace(/[$`"\\]/g, "\\$&"),
    secret.replace(/[^\w@%+=:,./\n-]/g, "\\$&"),
  ];
}

function urlEncoded(secret: string): string[] {
  const component = encodeURIComponent(secret);
  const strict = component.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const form = new URLSearchParams({ s: secret }).toString().slice(2);
  const lowerCase = [component, strict, form].map((text) =>
    text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  );
  return [component, strict, form, ...lowerCase];
}

function hex(secret: string): string[] {
  const digits = Buffer.from(secret, "utf8").toString("hex");
  return [digits, digits.toUpperCase()];
}

function base64(secret: string): string[] {
  const bytes = Buffer.from(secret, "utf8");
  const aligned = [0, 1, 2].map((offset) => base64At(bytes, offset));
  const broken = BASE64_LINES.flatMap((width) => brokenLines(aligned[0] ?? "", width));
  const standard = [...aligned, ...broken];
  return [...standard, ...standard.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"))];
}

/**
 * The base64 digits that depend on nothing but `bytes` when they come `offset` bytes after a group's start: a digit
 * shared with a neighbouring byte differs from text to text.
 */
function base64At(bytes: Buffer, offset: number): string {
  const digits = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  return digits.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}

function brokenLines(digits: string, width: number): string[] {
  if (digits.length <= width) return [];
  const pieces = digits.match(new RegExp(`.{1,${String(width)}}`, "g")) ?? [];
  return pieces.filter((piece) => piece.length >= MIN_SECRET_LINE);
}
