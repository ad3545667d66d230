import { httpGet, isPassing, type HttpAnswer } from "../base/http-request.ts";
import { MirrorFailed } from "../base/mirror-failed.ts";
import { shownUrl } from "../base/shown-url.ts";
import { upstreamUrls, type Upstream } from "../base/upstream.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { isOwnPlace, Refused } from "./relay-target.ts";

export interface Asked {
  readonly method: "GET" | "HEAD";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

export interface AskOptions {
  readonly upstream: Upstream;
  /** URLs on servers that may be on this host although no mirror of `upstream` leads there. */
  readonly named: readonly string[];
  /** Names are looked up by proxies. */
  readonly proxied: boolean;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which a server counts as stalled. */
  readonly idleMs: number;
}

/** As many as fetch itself follows. */
const MOST_REDIRECTS = 20;

/**
 * Asks the places that stand for a URL in an environment, in their order, until one has it. What the last one answers is the answer,
 * be it 404.
 *
 * @returns the answer, or why there is none: one line that names the URL.
 * @throws {KvciError} `interrupted`
 */
export async function askUpstream(asked: Asked, options: AskOptions): Promise<HttpAnswer | Refused> {
  const { href } = asked.url;
  const urls = upstreamUrls(href, options.upstream);
  const reasons: string[] = [];
  for (const [index, url] of urls.entries()) {
    const isLast = index === urls.length - 1;
    const answer = await tryPlace(url, { ...asked, isNamed: isNamed(url, asked, options) }, options);
    if (answer instanceof Refused) return answer;
    if (answer instanceof MirrorFailed) {
      reasons.push(urls.length === 1 ? answer.message : `${shownUrl(url)}: ${answer.message}`);
      continue;
    }
    if (isLast || hasIt(answer)) return answer;
    // A mirror need not have everything.
    if (isPassing(answer.status)) tell(options, url, `HTTP ${answer.status}`);
    await answer.discard();
  }
  return new Refused(502, `cannot fetch ${shownUrl(href)}: ${reasons.join("; ")}`);
}

/** What is not the URL itself is a mirror of it. */
function isNamed(place: string, { url }: Asked, { named }: AskOptions): boolean {
  return place !== url.href || named.some((each) => new URL(each).origin === url.origin);
}

/** A range behind the file's end is an answer about the file. */
function hasIt({ status }: HttpAnswer): boolean {
  return status < 400 || status === 416;
}

interface Place extends Omit<Asked, "url"> {
  /** The environment names it: it may be anywhere, this host included. */
  readonly isNamed: boolean;
}

async function tryPlace(url: string, place: Place, options: AskOptions): Promise<HttpAnswer | MirrorFailed | Refused> {
  try {
    return await follow(url, place, options);
  } catch (error) {
    if (!(error instanceof MirrorFailed)) throw error;
    tell(options, url, error.message);
    return error;
  }
}

/** Each redirect is looked at like the URL itself: it may lead to where nobody asked to go. */
async function follow(url: string, place: Place, options: AskOptions): Promise<HttpAnswer | Refused> {
  const { method, headers, isNamed } = place;
  const { signal, idleMs } = options;
  const { origin } = new URL(url);
  let at = new URL(url);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
    if (!(isNamed && at.origin === origin) && (await isOwnPlace(at, !options.proxied))) {
      return new Refused(
        403,
        `${shownUrl(at.href)} is on the host that builds: only a mirror of the environment may be`,
      );
    }
    const answer = await httpGet({ url: at.href, method, headers, redirect: "manual", signal, idleMs });
    const location = answer.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) return answer;
    await answer.discard();
    at = redirected(at, location);
  }
  throw new MirrorFailed("too many redirects", { forGood: true });
}

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (!to || !/^https?:$/.test(to.protocol)) throw new MirrorFailed("a redirect that leads nowhere", { forGood: true });
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw new MirrorFailed("the server redirects to plain HTTP", { forGood: true });
  }
  return to;
}

function tell({ journal }: AskOptions, url: string, reason: string): void {
  journal.emit({ type: "mirror-failed", url: shownUrl(url), reason });
}

/** Whether a request ended because its time was over or nobody wants the answer any more. */
export function isStopped(error: unknown): boolean {
  return error instanceof KvciError && error.code === "interrupted";
}
