import assert from "node:assert/strict";
import type { HttpCall, HttpReply } from "../../../publishers/registry/registry-http.ts";
import { RegistryClient } from "../../../publishers/registry/registry-client.ts";
import { quayFindings } from "../../../publishers/registry/quay.ts";
import { parametersOf } from "../../../publishers/registry/registry-auth.ts";
import { retryAfterMs } from "../../../publishers/registry/registry-failure.ts";
import { registryPlace } from "../../../publishers/registry/registry-place.ts";
import { Repository } from "../../../publishers/registry/repository.ts";

const { signal } = new AbortController();
const PLACE = { host: "quay.io", repository: "org/node" };
const LOGIN = { source: "/auth.json", username: "org+ci", secret: "robot", kind: "password" as const };

const reply = (status: number, headers: HttpReply["headers"] = {}, body: unknown = ""): HttpReply => ({
  status,
  headers,
  body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
});

const repositoryOn = (
  http: (call: HttpCall) => HttpReply,
  login: typeof LOGIN | undefined = LOGIN,
): { readonly repository: Repository; readonly calls: HttpCall[] } => {
  const calls: HttpCall[] = [];
  const connections = {
    http: (call: HttpCall) => {
      calls.push(call);
      return Promise.resolve(http(call));
    },
    stream: () => Promise.reject(new Error("nothing is streamed")),
  };
  const env = { HOME: "/home/me", KVCI_REGISTRY_QUAY_IO_TOKEN: "oauth" };
  const ports = { connections, env, now: () => 0, deadlineMs: 1_000, patienceMs: 300 };
  const client = new RegistryClient(PLACE, { login, insecure: false }, ports);
  return { repository: new Repository(client, signal), calls };
};

const claims = (actions: readonly string[]): string => {
  const payload = { access: [{ type: "repository", name: PLACE.repository, actions }] };
  return `h.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.s`;
};

/** A registry that wants tokens of a server beside it. */
const tokenRegistry =
  (token: string) =>
  ({ url, headers }: HttpCall): HttpReply => {
    if (url.pathname === "/v2/auth") return reply(200, {}, { token });
    if (headers?.["authorization"] === `Bearer ${token}`) return reply(200, {}, { tags: ["b", "a"] });
    const realm = 'Bearer realm="https://quay.io/v2/auth",service="quay.io",scope="ignored"';
    return reply(401, { "www-authenticate": realm });
  };

describe("a registry's client", () => {
  it("exchanges the password for a token that grants pushing, once", async () => {
    const { repository, calls } = repositoryOn(tokenRegistry(claims(["pull", "push"])));
    assert.deepEqual(await repository.tags(), ["a", "b"]);
    assert.deepEqual(await repository.tags(), ["a", "b"]);
    assert.equal(calls.length, 4);
    const exchange = calls.find(({ url }) => url.pathname === "/v2/auth");
    assert.equal(exchange?.url.searchParams.get("scope"), "repository:org/node:pull,push");
    assert.match(String(exchange.headers?.["authorization"]), /^Basic /);
    assert.equal(repository.client.mayPush(), true);
  });

  it("knows from the token that pushing is not granted", async () => {
    const { repository } = repositoryOn(tokenRegistry(claims(["pull"])));
    await repository.tags();
    assert.equal(repository.client.mayPush(), false);
  });

  it("sends no password to a token server without TLS", async () => {
    const challenge = { "www-authenticate": 'Bearer realm="http://auth.example/token"' };
    const { repository, calls } = repositoryOn(() => reply(401, challenge));
    await assert.rejects(repository.tags(), { code: "publish-denied" });
    assert.equal(calls.length, 1);
  });

  it("keeps credentials from other hosts that it is sent to", async () => {
    const { repository, calls } = repositoryOn(({ url, headers }) => {
      if (url.host === "cdn.example") return reply(200, {}, "bytes");
      if (headers?.["authorization"] === undefined) return reply(401, { "www-authenticate": "Basic realm=x" });
      return reply(307, { location: "https://cdn.example/blob" });
    });
    assert.equal((await repository.manifest("1.0"))?.bytes.toString(), "bytes");
    const elsewhere = calls.find(({ url }) => url.host === "cdn.example");
    assert.equal(elsewhere?.headers?.["authorization"], undefined);
  });

  it("waits for a Retry-After and gives up on other trouble soon", async () => {
    let count = 0;
    const waiting = repositoryOn(() => ((count += 1) === 1 ? reply(429, { "retry-after": "0" }) : reply(404)));
    assert.equal(await waiting.repository.digestOf("1.0"), undefined);
    await assert.rejects(repositoryOn(() => reply(429, { "retry-after": "60" })).repository.tags(), {
      code: "publish-throttled",
    });
    const down = repositoryOn(() => reply(503, { "retry-after": "60" }));
    await assert.rejects(down.repository.tags(), { code: "publish-throttled" });
  });

  it("reads every page of a listing", async () => {
    const { repository } = repositoryOn(({ url }) =>
      url.searchParams.get("last") === "a"
        ? reply(200, {}, { tags: ["b"] })
        : reply(200, { link: '</v2/org/node/tags/list?n=1&last=a>; rel="next"' }, { tags: ["a"] }),
    );
    assert.deepEqual(await repository.tags(), ["a", "b"]);
  });

  it("asks Quay's API with the token that is for it, and says what stands in the way", async () => {
    const about = (body: unknown, status = 200): ReturnType<typeof repositoryOn> =>
      repositoryOn(({ url }) => reply(url.pathname === "/api/v1/repository/org/node" ? status : 500, {}, body));
    const levels = async (body: unknown, status?: number): Promise<string[]> => {
      const answer = await about(body, status).repository.quay();
      return answer ? quayFindings("org/node", answer).map(({ level }) => level) : [];
    };
    assert.deepEqual(await levels({ is_public: true, state: "NORMAL" }), ["ok"]);
    assert.deepEqual(await levels({ is_public: false, state: "MIRROR" }), ["warning", "error"]);
    assert.deepEqual(await levels({ error: "insufficient_scope" }, 403), ["unproven"]);
    const { repository, calls } = about({ is_public: true });
    await repository.quay();
    assert.deepEqual(
      calls.map(({ headers }) => headers?.["authorization"]),
      ["Bearer oauth"],
    );
  });

  it("takes no web page for a list of referrers", async () => {
    const page = repositoryOn(() => reply(200, { "content-type": "text/html" }, "<html>"));
    assert.equal(await page.repository.referrers("sha256:00"), undefined);
  });
});

describe("words of registries", () => {
  it("are read as they are written", () => {
    assert.deepEqual(parametersOf('Bearer realm="https://a/b?c=d",service="x"'), {
      realm: "https://a/b?c=d",
      service: "x",
    });
    assert.equal(retryAfterMs("5", 0), 5_000);
    assert.equal(retryAfterMs("Thu, 01 Jan 1970 00:01:00 GMT", 10_000), 50_000);
    assert.equal(retryAfterMs("soon", 0), undefined);
  });

  it("name a registry and a path, or are refused", () => {
    assert.deepEqual(registryPlace("localhost:5000/a/b-c"), { host: "localhost:5000", repository: "a/b-c" });
    assert.deepEqual(registryPlace("quay.io/org/k8s-1.34"), { host: "quay.io", repository: "org/k8s-1.34" });
    for (const name of ["org/node", "node", "quay.io/Org/node", "quay.io/org/node:tag", "quay.io/../x"]) {
      assert.throws(() => registryPlace(name), { code: "environment-invalid" }, name);
    }
  });
});
