import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { isDigest, sha256, type Digest } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import { descriptorSchema, type Descriptor } from "../../src/oci/descriptor.ts";
import { IMAGE_INDEX, IMAGE_MANIFEST } from "../../src/oci/media-types.ts";
import type { FoundManifest, RegistryCall, RegistryClient } from "./registry-client.ts";
import { answerError, errorsIn } from "./registry-failure.ts";
import { headerOf, type HttpReply } from "./registry-http.ts";

const ACCEPT = [
  IMAGE_MANIFEST,
  IMAGE_INDEX,
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");
/** A listing that goes on for longer is not read to its end. */
const MAX_PAGES = 200;
/** A lost reply may make a registry forget the upload that it was about. */
const BLOB_ATTEMPTS = 3;
const MANIFEST_ATTEMPTS = 4;
const UNSEEN_MS = 500;

const tagList = z.looseObject({ tags: z.array(z.string()).nullish() });
const referrerList = z.looseObject({ manifests: z.array(descriptorSchema) });

function read<S extends z.ZodType>({ body }: HttpReply, schema: S): z.output<S> | undefined {
  return schema.safeParse(jsonOf(body.toString("utf8"))).data;
}

/** What can be done in a repository, as the OCI distribution specification 1.1 has it. */
export class Repository {
  readonly client: RegistryClient;
  readonly #signal: AbortSignal;

  constructor(client: RegistryClient, signal: AbortSignal) {
    this.client = client;
    this.#signal = signal;
  }

  get name(): string {
    return this.client.place.repository;
  }

  /** What a tag or digest stands for. @returns undefined where there is none. */
  async digestOf(reference: string): Promise<Digest | undefined> {
    const reply = await this.#call("HEAD", `manifests/${reference}`, { headers: { accept: ACCEPT } });
    if (reply.status === 404) return undefined;
    if (reply.status !== 200) throw answerError(`${this.name}: looking for ${reference}`, reply);
    const told = headerOf(reply, "docker-content-digest");
    if (told !== undefined && isDigest(told)) return told;
    return (await this.manifest(reference))?.digest;
  }

  /** The bytes of a manifest; the digest is computed from them. */
  async manifest(reference: string): Promise<FoundManifest | undefined> {
    const reply = await this.#call("GET", `manifests/${reference}`, { headers: { accept: ACCEPT } });
    if (reply.status === 404) return undefined;
    if (reply.status !== 200) throw answerError(`${this.name}: reading ${reference}`, reply);
    const mediaType = (headerOf(reply, "content-type") ?? IMAGE_MANIFEST).split(";")[0] ?? IMAGE_MANIFEST;
    return { digest: sha256(reply.body), mediaType, bytes: reply.body };
  }

  /** @returns whether the registry says that it understood the manifest's subject. */
  async putManifest(
    reference: string,
    manifest: Pick<FoundManifest, "mediaType" | "bytes">,
  ): Promise<{ readonly subjectKnown: boolean }> {
    const headers = { "content-type": manifest.mediaType };
    for (let attempt = 1; ; attempt += 1) {
      const reply = await this.#call("PUT", `manifests/${reference}`, { headers, body: manifest.bytes });
      if (reply.status === 201) return { subjectKnown: headerOf(reply, "oci-subject") !== undefined };
      // What it leads to was put there before; a registry that others write to may not see it for a moment.
      const isUnseen = errorsIn(reply).some((error) => /^(?:MANIFEST_)?BLOB_UNKNOWN|^MANIFEST_UNKNOWN/.test(error));
      if (!isUnseen || attempt === MANIFEST_ATTEMPTS) throw answerError(`${this.name}: writing ${reference}`, reply);
      await sleep(UNSEEN_MS, undefined, { signal: this.#signal });
    }
  }

  /** @returns the status: 202 gone, 404 was not there, 400 or 405 not with this registry. */
  async removeManifest(reference: string): Promise<number> {
    const scopes = [{ repository: this.name, actions: "pull,push,delete" as const }];
    const what = `removing ${reference} from ${this.name}`;
    const path = `${this.name}/manifests/${reference}`;
    const reply = await this.client.ask({ method: "DELETE", path, scopes, what, signal: this.#signal });
    if ([200, 202, 400, 401, 403, 404, 405].includes(reply.status)) return reply.status;
    throw answerError(`${this.name}: removing ${reference}`, reply);
  }

  async hasBlob(digest: string): Promise<boolean> {
    const reply = await this.#call("HEAD", `blobs/${digest}`);
    if (reply.status === 404) return false;
    // Storage elsewhere: the registry knows where, so it has it.
    if (reply.status === 200 || [301, 302, 303, 307, 308].includes(reply.status)) return true;
    throw answerError(`${this.name}: looking for ${digest}`, reply);
  }

  /**
   * Has the registry take a blob over from another of its repositories, without its bytes passing by here.
   *
   * @returns false when the registry would have it uploaded instead.
   */
  async mount(digest: string, from: string): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest, from });
    const reply = await this.client.ask({
      method: "POST",
      path: `${this.name}/blobs/uploads/?${query.toString()}`,
      scopes: [
        { repository: this.name, actions: "pull,push" },
        { repository: from, actions: "pull" },
      ],
      what: `mounting ${digest} from ${from}`,
      signal: this.#signal,
    });
    if (reply.status === 201) return true;
    const location = headerOf(reply, "location");
    // An upload was begun instead; nobody will go on with it.
    if (reply.status === 202 && location !== undefined) await this.#callAt("DELETE", location);
    return false;
  }

  /** Puts a small blob there, if it is not. */
  async putBlob(digest: string, bytes: Uint8Array): Promise<void> {
    for (let attempt = 1; !(await this.hasBlob(digest)); attempt += 1) {
      const begun = await this.#call("POST", "blobs/uploads/");
      const location = headerOf(begun, "location");
      if (begun.status !== 202 || location === undefined) throw answerError(`${this.name}: an upload`, begun);
      const url = this.client.urlOf(location);
      url.searchParams.set("digest", digest);
      const headers = { "content-type": "application/octet-stream" };
      const reply = await this.#callAt("PUT", url.href, { headers, body: bytes });
      if (reply.status === 201) return;
      if (attempt === BLOB_ATTEMPTS || reply.status !== 404) {
        throw answerError(`${this.name}: uploading ${digest}`, reply);
      }
    }
  }

  /** @returns undefined where there is no such repository yet. */
  async tags(): Promise<readonly string[] | undefined> {
    const found: string[] = [];
    for await (const reply of this.#pages(`${this.name}/tags/list?n=1000`)) {
      if (reply.status === 404) return undefined;
      if (reply.status !== 200) throw answerError(`${this.name}: listing its tags`, reply);
      found.push(...(read(reply, tagList)?.tags ?? []));
    }
    return [...new Set(found)].sort();
  }

  /** What refers to a manifest, by the referrers API. @returns undefined where there is none. */
  async referrers(digest: string): Promise<readonly Descriptor[] | undefined> {
    const found: Descriptor[] = [];
    for await (const reply of this.#pages(`${this.name}/referrers/${digest}`)) {
      const isIndex = headerOf(reply, "content-type")?.startsWith(IMAGE_INDEX) === true;
      // A 404 means that there is no API; proxies answer other things in the place of a registry that has none.
      if (reply.status !== 200 || !isIndex) return undefined;
      found.push(...(read(reply, referrerList)?.manifests ?? []));
    }
    return found;
  }

  /** A listing's pages, as far as each names the next. */
  async *#pages(first: string): AsyncGenerator<HttpReply, void, undefined> {
    let path: string | undefined = first;
    for (let page = 0; path !== undefined && page < MAX_PAGES; page += 1) {
      const reply = await this.#callAt("GET", path);
      yield reply;
      path = /<([^>]+)>;\s*rel="?next"?/.exec(headerOf(reply, "link") ?? "")?.[1];
    }
  }

  /** Whether everybody can read that manifest; undefined where nobody says. */
  async isPublic(reference: string): Promise<boolean> {
    const client = this.client.anonymous();
    const headers = { accept: ACCEPT };
    const path = `${this.name}/manifests/${reference}`;
    const what = `reading ${this.name} without credentials`;
    const reply = await client.ask({
      method: "HEAD",
      path,
      headers,
      scopes: client.reading,
      what,
      signal: this.#signal,
    });
    return reply.status === 200;
  }

  /** See `RegistryClient`. A host that does not answer there is no Quay, or none today: it is not needed. */
  quay(): Promise<HttpReply | undefined> {
    return this.client.quayRepository(this.#signal).catch(() => undefined);
  }

  /** Whether everybody can list the repository's tags. */
  async isListedForAll(): Promise<boolean> {
    const client = this.client.anonymous();
    const what = `listing ${this.name} without credentials`;
    const path = `${this.name}/tags/list?n=1`;
    return (
      (await client.ask({ method: "GET", path, scopes: client.reading, what, signal: this.#signal })).status === 200
    );
  }

  /** @throws {KvciError} `publish-integrity` when the manifest is not there, or its bytes are others. */
  async requireManifest(digest: string): Promise<FoundManifest> {
    const found = await this.manifest(digest);
    if (found?.digest === digest) return found;
    throw new KvciError("publish-integrity", `${this.name}: what was published as ${digest} is not what comes back`, {
      hint: "Something between here and the registry changes or loses bytes; do not use this release, run the command again.",
      evidence: [`expected ${digest}`, `actual   ${found?.digest ?? "nothing"}`],
    });
  }

  #call(
    method: RegistryCall["method"],
    path: string,
    more: Pick<RegistryCall, "headers" | "body"> = {},
  ): Promise<HttpReply> {
    return this.#callAt(method, `${this.name}/${path}`, more);
  }

  #callAt(
    method: RegistryCall["method"],
    path: string,
    more: Pick<RegistryCall, "headers" | "body"> = {},
  ): Promise<HttpReply> {
    const isRead = method === "GET" || method === "HEAD";
    const scopes = isRead ? this.client.reading : [{ repository: this.name, actions: "pull,push" as const }];
    const what = `${isRead ? "reading" : "pushing to"} ${this.name}`;
    return this.client.call({ method, path, scopes, what, signal: this.#signal, ...more });
  }
}
