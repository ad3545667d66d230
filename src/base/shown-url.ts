/**
 * A URL as it may appear in events, errors and logs: without user name and password, and without its query, where signed
 * URLs of object stores keep theirs.
 */
export function shownUrl(url: string): string {
  if (!URL.canParse(url)) return "an unreadable URL";
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname}${search === "" ? "" : "?…"}`;
}

/** What `fetch` takes: it refuses a URL with credentials, so they travel as a header, and only to the origin they were written for. */
export function requestTarget(url: string): { readonly url: string; readonly authorization: string | undefined } {
  const target = new URL(url);
  const { username, password } = target;
  target.username = "";
  target.password = "";
  if (username === "" && password === "") return { url: target.href, authorization: undefined };
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { url: target.href, authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}
