import { sha256 } from "../../../src/core/digest.ts";

interface Referrer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType: string | undefined;
}

const MANIFEST = /^\/v2\/(.+)\/manifests\/([^/?]+)$/;
const REFERRERS = /^\/v2\/(.+)\/referrers\/(sha256:[0-9a-f]{64})$/;

/** The referrers API of the distribution specification 1.1, kept beside a registry that lacks it. */
export class ReferrersApi {
  /** Registries of 2024 list referrers and yet do not say OCI-Subject. */
  readonly saysSubject: boolean;
  readonly #bySubject = new Map<string, Map<string, Referrer>>();

  constructor({ saysSubject = true }: { readonly saysSubject?: boolean } = {}) {
    this.saysSubject = saysSubject;
  }

  /** The answer to a request for a listing. */
  listing(method: string, path: string): string | undefined {
    const [, repository, subject] = REFERRERS.exec(path) ?? [];
    if (method !== "GET" || repository === undefined) return undefined;
    const manifests = [...(this.#bySubject.get(`${repository}@${subject ?? ""}`)?.values() ?? [])];
    return JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests });
  }

  /** Whether the body of such a request matters. */
  watches(method: string, path: string): boolean {
    return method === "PUT" && MANIFEST.test(path);
  }

  /** Told of everything the registry did. @returns headers to add to its answer. */
  seen(done: {
    readonly method: string;
    readonly path: string;
    readonly status: number;
    readonly body: Buffer | undefined;
  }): Record<string, string> {
    const [, repository = "", reference = ""] = MANIFEST.exec(done.path) ?? [];
    if (done.method === "DELETE" && done.status === 202) this.#forget(reference);
    return done.status === 201 && done.body ? this.#put(repository, done.body) : {};
  }

  #forget(digest: string): void {
    for (const referrers of this.#bySubject.values()) referrers.delete(digest);
  }

  #put(repository: string, body: Buffer): Record<string, string> {
    const { mediaType, artifactType, subject } = JSON.parse(body.toString("utf8")) as {
      readonly mediaType: string;
      readonly artifactType?: string;
      readonly subject?: { readonly digest: string };
    };
    if (!subject) return {};
    const key = `${repository}@${subject.digest}`;
    const known = this.#bySubject.get(key) ?? new Map<string, Referrer>();
    const digest = sha256(body);
    this.#bySubject.set(key, known.set(digest, { mediaType, digest, size: body.length, artifactType }));
    return this.saysSubject ? { "oci-subject": subject.digest } : {};
  }
}
