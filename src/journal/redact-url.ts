/** `//user:password@` and `//token@` in front of a host. Greedy: a password may hold an unescaped `@`. */
const USERINFO = /:\/\/[^\s/?#"'<>]*@/g;
/** Query members that carry a signature or a token: pre-signed URLs of AWS, GCP and Azure, OAuth, registries. */
const QUERY_SECRET =
  /([?&](?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|awsaccesskeyid|googleaccessid|signature|sig|access_token|id_token|refresh_token|token|password|passwd|secret|client_secret|api_?key|key)=)[^&#\s"'<>]+/gi;

/** A URL, or a text with URLs in it, without user names, passwords, tokens and signatures: `https://***@host/path?sig=***`. */
export function redactUrl(text: string): string {
  return text.includes("://") ? text.replace(USERINFO, "://***@").replace(QUERY_SECRET, "$1***") : text;
}
