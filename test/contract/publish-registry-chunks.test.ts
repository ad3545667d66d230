import assert from "node:assert/strict";
import { makePublishPlan } from "../../src/publish/plan.ts";
import type { FrontRequest, RegistryFront } from "../counterparts/registry/registry-front.ts";
import { LAYER_SIZES } from "./publish-build.ts";
import { figure, RegistryRelease } from "./publish-registry-release.ts";
import { publishAll } from "./registry-world.ts";

const { signal } = new AbortController();
const CHUNK_BYTES = 512 * 1024;
const CHUNKS_OF_BASE = Math.ceil(LAYER_SIZES.base / CHUNK_BYTES);

describe("a layer that is sent in pieces", function () {
  this.timeout(120_000);
  let release: RegistryRelease;
  let front: RegistryFront;

  before(async () => {
    release = await RegistryRelease.start();
    ({ front } = release);
  });
  after(() => release[Symbol.asyncDispose]());
  beforeEach(() => release.reset());

  const publish = async (name: string): Promise<void> => {
    const publisher = await release.publisher(`${name}/node`, { ports: { chunkBytes: CHUNK_BYTES } });
    await publishAll([release.build], [publisher], release.storeOf(`${name}-node`));
    front.fault = () => undefined;
    // The registry itself has computed the digests of what arrived.
    assert.deepEqual((await makePublishPlan([release.build], [publisher], signal)).steps, []);
  };
  const pieces = (): readonly FrontRequest[] => front.requests.filter(({ method }) => method === "PATCH");
  /** With what tar adds, and documents. */
  const whole = LAYER_SIZES.base + LAYER_SIZES.kubernetes + LAYER_SIZES.own + 32 * 1024;

  it("arrives as it is", async () => {
    await publish("pieces");
    assert.ok(pieces().length > CHUNKS_OF_BASE);
    assert.ok(pieces().every(({ bodyBytes }) => bodyBytes <= CHUNK_BYTES));
  });

  it("goes on where it was when the registry fails in between, and sends one piece again at most", async () => {
    let broken = 0;
    front.fault = ({ method }) => {
      if (method !== "PATCH") return undefined;
      const count = pieces().length;
      if (count !== 3 && count !== 6) return undefined;
      broken += 1;
      return { kind: "answer", status: 502 };
    };
    await publish("broken");
    assert.equal(broken, 2);
    const again = front.blobBytes - whole;
    assert.ok(again <= 2 * CHUNK_BYTES, `${again} bytes more`);
    figure(`two 502s in ${whole} bytes: ${((again / whole) * 100).toFixed(1)} % sent again`);
  });

  it("is sent from the start when the registry lost track of it, as docker-registry does", async () => {
    front.fault = ({ method }) => (method === "PATCH" && pieces().length === 3 ? { kind: "lost-reply" } : undefined);
    await publish("lost");
  });

  it("waits between pieces when the registry asks for it", async () => {
    let refusedAt = 0;
    front.fault = ({ method, atMs }) => {
      if (method !== "PATCH" || pieces().length < 3 || refusedAt > 0) return undefined;
      refusedAt = atMs;
      return { kind: "answer", status: 429, headers: { "retry-after": "1" } };
    };
    await publish("slow");
    const next = front.requests.filter(({ atMs }) => atMs > refusedAt + 300).at(0)?.atMs ?? 0;
    assert.ok(next - refusedAt >= 900, String(next - refusedAt));
  });

  it("is taken when only the answer to its end was lost", async () => {
    const lost = new Set<string>();
    front.fault = ({ method, path }, count) => {
      const [upload = ""] = path.split("?");
      if (method !== "PUT" || count > 1 || !pieces().some((each) => each.path.startsWith(upload))) return undefined;
      lost.add(path);
      return { kind: "lost-reply" };
    };
    await publish("late");
    assert.ok(lost.size >= 2);
    assert.ok(front.blobBytes < whole * 1.1, `${front.blobBytes} bytes`);
  });

  it("is sent whole to a registry that takes no pieces, which is asked for it once", async () => {
    front.fault = ({ method }) => (method === "PATCH" ? { kind: "answer", status: 404 } : undefined);
    await publish("whole");
    assert.ok(pieces().length <= 3, `${pieces().length} tries`);
  });
});
