import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "../../../src/cli/app.ts";
import { statusPorts } from "../../../src/cli/named-plans.ts";
import type { Layer } from "../../../src/store/layer.ts";

describe("what a plan's status is read from", () => {
  let root: string;
  let app: App;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-ports-"));
    app = { cwd: "/work", storeRoot: root, now: () => 7 } as unknown as App;
  });
  afterEach(() => rm(root, { recursive: true }));

  async function addWarmState(name: string, note: string): Promise<void> {
    await mkdir(join(root, "entries", "warm", name), { recursive: true });
    await writeFile(join(root, "entries", "warm", name, "entry.json"), note);
  }

  it("has results only where they and layers are to be used", () => {
    assert.equal(statusPorts(app, { out: "out" }).out, "/work/out");
    assert.equal(statusPorts(app, { out: "out", cache: false }).out, undefined);
    assert.equal(statusPorts(app).out, undefined);
  });

  it("knows a warm state by the layer it needs, and minds no damaged one", async () => {
    const { hasWarmState } = statusPorts(app);
    const seen = (id: string) => hasWarmState?.({ id } as Layer);
    assert.equal(await seen("a"), false);
    await addWarmState("1", "{");
    await addWarmState("2", JSON.stringify({ what: "memory", needs: ["entries/layers/a"] }));
    assert.deepEqual([await seen("a"), await seen("b")], [true, false]);
  });

  it("counts on no warm states when machines are to be booted", () => {
    assert.equal(statusPorts(app, { warm: false }).hasWarmState, undefined);
  });
});
