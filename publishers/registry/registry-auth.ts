import { z } from "zod";
import { jsonOf } from "../../src/core/parse-json.ts";
import { isPassing } from "./registry-failure.ts";
import { headerOf, type Http, type HttpReply } from "./registry-http.ts";
import type { RegistryLogin } from "./registry-login.ts";

/** What a request wants to do, in the words of token servers. */
export interface Scope {
  readonly repository: string;
  readonly actions: "pull" | "pull,push" | "pull,push,delete";
}

const tokenAnswer = z.looseObject({ token: z.string().optional(), access_token: z.string().optional() });

/** Answers a registry's challenges: with the password itself, or with a token that a server gives for it. */
export class RegistryAuth {
  readonly #login: RegistryLogin | undefined;
  readonly #http: Http;
  readonly #insecure: boolean;
  /** Header by scopes; Basic has one for all. */
  readonly #headers = new Map<string, string>();

  constructor(of: { readonly login: RegistryLogin | undefined; readonly http: Http; readonly insecure: boolean }) {
    this.#login = of.login;
    this.#http = of.http;
    this.#insecure = of.insecure;
  }

  /** The header that let such a request in before. */
  known(scopes: readonly Scope[]): string | undefined {
    return this.#headers.get(ANY) ?? this.#headers.get(keyOf(scopes));
  }

  /**
   * Answers a 401.
   *
   * @returns the header for another try; undefined when there is nothing to answer with.
   */
  async answer(challenged: HttpReply, scopes: readonly Scope[], signal: AbortSignal): Promise<string | undefined> {
    const challenge = headerOf(challenged, "www-authenticate") ?? "";
    const header = /^\s*bearer\b/i.test(challenge)
      ? await this.#token(challenge, scopes, signal)
      : this.#basic(challenge);
    if (header !== undefined) this.#headers.set(/^basic /i.test(header) ? ANY : keyOf(scopes), header);
    return header;
  }

  #basic(challenge: string): string | undefined {
    if (!/\bbasic\b/i.test(challenge) || this.#login?.kind !== "password") return undefined;
    return basicHeader(this.#login);
  }

  async #token(challenge: string, scopes: readonly Scope[], signal: AbortSignal): Promise<string | undefined> {
    const { realm = "", service } = parametersOf(challenge);
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    // A password goes over TLS only, unless the target itself is declared insecure.
    if (!url || (url.protocol !== "https:" && !this.#insecure)) return undefined;
    const wanted = scopes.map(({ repository, actions }) => `repository:${repository}:${actions}`);
    const reply = await this.#http(this.#tokenCall(url, { service, wanted, signal }));
    if (isPassing(reply.status)) throw new TokenTrouble(reply);
    return reply.status === 200 ? tokenIn(reply) : undefined;
  }

  #tokenCall(
    url: URL,
    of: { readonly service: string | undefined; readonly wanted: readonly string[]; readonly signal: AbortSignal },
  ): Parameters<Http>[0] {
    const { service, wanted, signal } = of;
    const login = this.#login;
    const fields = new URLSearchParams(service === undefined ? {} : { service });
    if (login?.kind === "identity-token") {
      fields.set("grant_type", "refresh_token");
      fields.set("client_id", "kvci-build");
      fields.set("scope", wanted.join(" "));
      fields.set("refresh_token", login.secret);
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      return { method: "POST", url, headers, body: Buffer.from(fields.toString()), signal };
    }
    for (const scope of wanted) fields.append("scope", scope);
    const asked = new URL(url);
    for (const [name, value] of fields) asked.searchParams.append(name, value);
    const headers = login ? { authorization: basicHeader(login) } : {};
    return { method: "GET", url: asked, headers, signal };
  }
}

function tokenIn({ body }: HttpReply): string | undefined {
  const { data } = tokenAnswer.safeParse(jsonOf(body.toString("utf8")));
  const token = data?.token ?? data?.access_token;
  return token === undefined ? undefined : `Bearer ${token}`;
}

/** The token server itself is in trouble. */
export class TokenTrouble extends Error {
  override readonly name = "TokenTrouble";
  readonly reply: HttpReply;

  constructor(reply: HttpReply) {
    super(`the token server answered HTTP ${reply.status}`);
    this.reply = reply;
  }
}

const ANY = "any";

function keyOf(scopes: readonly Scope[]): string {
  return scopes.map(({ repository, actions }) => `${repository}:${actions}`).join(" ");
}

function basicHeader({ username, secret }: RegistryLogin): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`;
}

/** `Bearer realm="…",service="…"`, in any order. */
export function parametersOf(challenge: string): Readonly<Record<string, string | undefined>> {
  const pairs = [...challenge.matchAll(/([a-z_]+)="([^"]*)"/gi)];
  return Object.fromEntries(pairs.map(([, name = "", value = ""]) => [name.toLowerCase(), value]));
}

const claims = z.looseObject({
  access: z.array(z.looseObject({ name: z.string(), actions: z.array(z.string()).nullish() })),
});

/**
 * Whether a token lets us push. Docker's, Quay's and Harbor's token servers grant what they like of what was asked, and say so
 * inside; undefined where the header is no such token.
 */
export function grantsPush(header: string | undefined, repository: string): boolean | undefined {
  const payload = /^Bearer [^.]+\.([^.]+)\./.exec(header ?? "")?.[1];
  if (payload === undefined) return undefined;
  const parsed = claims.safeParse(jsonOf(Buffer.from(payload, "base64url").toString("utf8")));
  if (!parsed.success) return undefined;
  const own = parsed.data.access.filter(({ name }) => name === repository);
  return own.some(({ actions }) => (actions ?? []).some((action) => action === "push" || action === "*"));
}
