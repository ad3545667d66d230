import { MIN_SECRET } from "./secret-spellings.ts";

/** Parts of names that hold credentials by custom, whatever their value looks like. */
const SECRET_NAME =
  /TOKEN(?!S|IZ)|SECRET|PASSWORD|PASSWD|PASSPHRASE|APIKEY|(?:^|_)(?:PASS|PAT)$|^AWS_(?:ACCESS_KEY_ID|SESSION_TOKEN)$/i;
/** Names whose value is a credential, unless it looks like a path. */
const SECRET_OR_PATH_NAME = /(?:_|^)(?:KEY|AUTH)$|(?:_|^)AUTH_|CREDENTIAL/i;
/** Names whose value says where a credential is. */
const PATH_NAME = /_(?:FILE|PATH|DIR|SOCK|HELPER)$/i;
/** AWS's settings that are no credentials; every other variable of that prefix is taken for one. */
const AWS_SETTING =
  /^AWS_(?:.*_)?(?:REGION|REGIONS|PROFILE|OUTPUT|PAGER|URL|URL_\w+|ARN|MODE|CA_BUNDLE|ENV|ATTEMPTS|ENDPOINT|ENDPOINTS|ENDPOINT_MODE|NAME|TIMEOUT|DISABLED|ENABLED|CONFIG|PROMPT|VERSION|ID)$/i;
const SECRET_MEMBER =
  /^(?:auth|identitytoken|registrytoken|password|private_key|client_secret|refresh_token|token|secret)$/i;
/** Values that say something about a credential without being one. */
const NO_SECRET = /^(?:true|false|yes|no|none|null|undefined|default|enabled|disabled|always|optional|required)$/i;
/** A name without a password is taken for a token from this length on. */
const MIN_TOKEN_USER = 16;

/**
 * Values of an environment that must not be printed: of variables named like credentials, passwords inside URLs (proxies,
 * databases), and the members of JSON credentials (registry logins, service accounts).
 */
export function secretsFromEnvironment(env: Readonly<Record<string, string | undefined>>): ReadonlySet<string> {
  const secrets = new Set<string>();
  for (const [name, value = ""] of Object.entries(env)) {
    for (const secret of secretsOf(name, value)) {
      if (secret.trim().length >= MIN_SECRET && !NO_SECRET.test(secret)) secrets.add(secret);
    }
  }
  return secrets;
}

function secretsOf(name: string, value: string): string[] {
  const fromUrl = urlSecrets(name, value);
  if (!isSecret(name, value)) return fromUrl;
  return [value, ...fromUrl, ...jsonSecrets(value)];
}

function isSecret(name: string, value: string): boolean {
  if (PATH_NAME.test(name)) return false;
  if (SECRET_NAME.test(name)) return true;
  if (SECRET_OR_PATH_NAME.test(name)) return !looksLikePath(value);
  return /^AWS_/i.test(name) && !AWS_SETTING.test(name) && !looksLikePath(value);
}

/** A base64 key may begin with a slash, but has no dots and is longer than most paths without them. */
function looksLikePath(value: string): boolean {
  return /^(?:~|\.{1,2})?\/[\w.@/-]+$/.test(value) && (value.includes(".") || value.length < 32);
}

function urlSecrets(name: string, value: string): string[] {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(value);
  // A proxy may be written without its scheme.
  if (!scheme && !/_proxy$/i.test(name)) return [];
  const authority = scheme ? value.slice(scheme[0].length) : value;
  const userinfo = /^([^\s/?#]*)@/.exec(authority)?.[1];
  return userinfo === undefined ? [] : userinfoSecrets(userinfo);
}

function userinfoSecrets(userinfo: string): string[] {
  const colon = userinfo.indexOf(":");
  if (colon >= 0) return withDecoded(userinfo.slice(colon + 1));
  return userinfo.length < MIN_TOKEN_USER ? [] : withDecoded(userinfo);
}

function withDecoded(text: string): string[] {
  try {
    return [text, decodeURIComponent(text)];
  } catch {
    // A lone percent sign: the text stands for itself.
    return [text];
  }
}

function jsonSecrets(value: string): string[] {
  if (!value.trimStart().startsWith("{")) return [];
  try {
    return membersOf(JSON.parse(value));
  } catch {
    return [];
  }
}

function membersOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]: [string, unknown]) => {
    if (typeof member !== "string") return membersOf(member);
    if (!SECRET_MEMBER.test(key)) return [];
    return key.toLowerCase() === "auth" ? [member, ...basicPassword(member)] : [member];
  });
}

/** The password in a registry login's `auth`, which is base64 of `user:password`. */
function basicPassword(auth: string): string[] {
  const decoded = Buffer.from(auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  return colon < 0 ? [] : [decoded.slice(colon + 1)];
}
