import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { KvciError } from "../../src/core/error.ts";
import { makePublishPlan } from "../../src/publish/plan.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { frontAuthFile, type RegistryFront } from "../counterparts/registry/registry-front.ts";
import { figure, RegistryRelease } from "./publish-registry-release.ts";
import { publishAll, takeBack, type RegistryTestWorld } from "./registry-world.ts";

const { signal } = new AbortController();

describe("publishing to a registry that makes trouble", function () {
  this.timeout(300_000);
  let release: RegistryRelease;
  let world: RegistryTestWorld;
  let front: RegistryFront;
  let build: ReleaseBuild;

  before(async () => {
    release = await RegistryRelease.start();
    ({ world, front, build } = release);
  });
  after(() => release[Symbol.asyncDispose]());
  beforeEach(() => release.reset());

  it("refuses to move a tag of a release, naming both digests, and changes nothing", async () => {
    const store = "conflict";
    await publishAll([build], [await release.publisher("conflict/node", { store })], release.storeOf(store));
    const there = await release.digestOf("conflict/node");
    const other = { ...(await release.nextVersion("other")), version: "1.0" };
    front.reset();
    const planning = makePublishPlan([other], [await release.publisher("conflict/node", { store })], signal);
    await assert.rejects(planning, (error: KvciError) => {
      assert.equal(error.code, "publish-conflict");
      assert.ok(error.evidence.some((line) => line.includes(there)) && error.evidence.length === 2);
      return true;
    });
    assert.equal(front.mutations.length, 0);
  });

  it("leaves what was there before when it is taken back, with floating tags where they were", async () => {
    const target = { floatingTags: ["latest"] };
    const first = await release.publisher("back/node", { store: "back-first", ...target });
    await publishAll([build], [first], release.storeOf("back-first"));
    const before = await world.tags(front, "back/node");
    const next = await release.nextVersion("2.0");
    const second = await release.publisher("back/node", { store: "back-second", ...target });
    const { plan } = await publishAll([next], [second], release.storeOf("back-second"));
    const between = await world.tags(front, "back/node");
    assert.equal(between["latest"], between["2.0"]);
    assert.notEqual(between["latest"], before["latest"]);
    assert.equal(await takeBack([second], release.storeOf("back-second")), plan.steps.length);
    assert.deepEqual(await world.tags(front, "back/node"), before);
    assert.equal((await world.ask(front, `back/node/manifests/${between["2.0"] ?? ""}`)).status, 404);
    assert.equal(await takeBack([first], release.storeOf("back-first")), 5);
    assert.deepEqual(await world.tags(front, "back/node"), {});
    assert.equal(await takeBack([first], release.storeOf("back-first")), 0);
  });

  it("says so when the registry lets nobody delete", async () => {
    const registry = await release.publisher("kept/node");
    await publishAll([build], [registry], release.storeOf("kept-node"));
    front.fault = ({ method }) => (method === "DELETE" ? { kind: "answer", status: 405 } : undefined);
    await assert.rejects(takeBack([registry], release.storeOf("kept-node")), { code: "publish-blocked" });
    assert.equal((await world.tags(front, "kept/node"))["1.0"], await release.digestOf("kept/node"));
  });

  it("waits as long as the registry asks, though oras would not", async () => {
    const asked: number[] = [];
    let until = 0;
    front.fault = ({ method, path, atMs }) => {
      const isUpload = method === "POST" && path.endsWith("/blobs/uploads/");
      if (until === 0 && isUpload) until = atMs + 5_000;
      if (atMs >= until) return undefined;
      asked.push(atMs);
      return { kind: "answer", status: 429, headers: { "retry-after": "5" } };
    };
    const begun = performance.now();
    await publishAll([build], [await release.publisher("slow/node")], release.storeOf("slow-node"));
    const took = performance.now() - begun;
    assert.ok(took >= 5_000, String(took));
    // The uploads that were under way side by side; nobody came again in between.
    const [first = 0] = asked;
    assert.ok(asked.every((at) => at - first < 1_000) && asked.length <= 4, JSON.stringify(asked));
    figure(
      `429 with Retry-After 5: ${asked.length} requests were refused, the next came after ${(took / 1000).toFixed(1)} s`,
    );
  });

  it("ends at once when the registry wants more patience than there is", async () => {
    front.fault = ({ method, path }) =>
      method === "POST" && path.endsWith("/blobs/uploads/")
        ? { kind: "answer", status: 429, headers: { "retry-after": "7200" } }
        : undefined;
    const begun = performance.now();
    const publisher = await release.publisher("busy/node", { ports: { deadlineMs: 20_000 } });
    const publishing = publishAll([build], [publisher], release.storeOf("busy-node"));
    await assert.rejects(publishing, { code: "publish-throttled" });
    assert.ok(performance.now() - begun < 15_000);
    assert.ok(front.mutations.length <= 4, `${front.mutations.length} requests`);
  });

  it("gets over 503s and replies that were lost after the registry did its work", async () => {
    const lost = new Set<string>();
    front.fault = ({ method, path }, count) => {
      if (method === "PUT" && /manifests\//.test(path) && count === 1) {
        lost.add(path);
        return { kind: "lost-reply" };
      }
      return method === "HEAD" && count === 1 ? { kind: "answer", status: 503 } : undefined;
    };
    await publishAll([build], [await release.publisher("lossy/node")], release.storeOf("lossy-node"));
    assert.ok(lost.size >= 5, `${lost.size} replies lost`);
    front.reset();
    assert.deepEqual((await makePublishPlan([build], [await release.publisher("lossy/node")], signal)).steps, []);
  });

  const calledWrong = {
    kind: "answer",
    status: 400,
    body: JSON.stringify({ errors: [{ code: "DIGEST_INVALID", message: "provided digest did not match" }] }),
  } as const;

  it("sends again what the registry calls wrong once, as it does when another push is under way", async () => {
    const answered = new Set<string>();
    front.fault = ({ method, path }, count) => {
      if (method !== "PUT" || !path.includes("/manifests/") || count > 1) return undefined;
      answered.add(path);
      return calledWrong;
    };
    await publishAll([build], [await release.publisher("hasty/node")], release.storeOf("hasty-node"));
    assert.ok(answered.size >= 5, `${answered.size} manifests`);
    assert.deepEqual(await world.tags(front, "hasty/node"), await world.tags(front, "lossy/node"));
  });

  for (const [what, isWrong] of [
    ["an image's", (path: string) => path.includes("/manifests/sha256:")],
    ["a tag's", (path: string) => path.endsWith("/manifests/1.0")],
  ] as const) {
    it(`believes the registry that calls ${what} bytes wrong every time`, async () => {
      front.fault = ({ method, path }) => (method === "PUT" && isWrong(path) ? calledWrong : undefined);
      const name = `wrong-${what.split("'")[0]?.replace(" ", "-") ?? ""}`;
      const publishing = publishAll([build], [await release.publisher(`${name}/node`)], release.storeOf(name));
      await assert.rejects(publishing, (error: KvciError) => {
        assert.equal(error.code, "publish-integrity");
        assert.match(error.evidence.join("\n"), /DIGEST_INVALID/);
        return true;
      });
      assert.equal((await world.tags(front, `${name}/node`))["1.0"], undefined);
    });
  }

  it("names file and host when the password is wrong, and leaves no credentials behind", async () => {
    const authFile = await frontAuthFile(join(release.path, "wrong.json"), world.fronts, "kvci:not-this-one");
    const planning = makePublishPlan([build], [await release.publisher("wrong/node", { ports: { authFile } })], signal);
    await assert.rejects(planning, (error: KvciError) => {
      assert.equal(error.code, "publish-denied");
      assert.ok(error.message.includes(authFile) && error.message.includes(front.host));
      assert.ok(!JSON.stringify([error.message, error.evidence, error.hint]).includes("not-this-one"));
      return true;
    });
    assert.deepEqual(await readdir(join(release.storeOf("slow-node"), "publish", "auth")), []);
  });

  it("notices when what comes back is not what was sent", async () => {
    front.fault = ({ method, path }) =>
      method === "HEAD" &&
      path.includes("/blobs/") &&
      front.requests.some((each) => each.method === "PUT" && each.path.includes("/manifests/"))
        ? { kind: "answer", status: 404 }
        : undefined;
    await assert.rejects(
      publishAll([build], [await release.publisher("lost/node", { referrers: false })], release.storeOf("lost-node")),
      {
        code: "publish-integrity",
      },
    );
    assert.deepEqual(await world.tags(front, "lost/node"), {});
  });
});
