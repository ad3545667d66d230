import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeScreenshot } from "../../../src/qemu/screenshot.ts";

type Answer = (parameters: Readonly<Record<string, unknown>>) => Promise<unknown>;

describe("screenshot", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "kvci-screen-"))));
  afterEach(() => rm(folder, { recursive: true }));

  const machine = (answer: Answer, ended = false): Parameters<typeof takeScreenshot>[0] => ({
    ended,
    qmp: (_command, parameters = {}) => answer(parameters),
  });
  const draw: Answer = ({ filename }) => writeFile(String(filename), "picture");

  it("is a PNG", async () => {
    assert.deepEqual(await takeScreenshot(machine(draw), folder), { path: join(folder, "screen.png") });
  });

  it("is a PPM where QEMU cannot write PNG", async () => {
    const old = machine(async (parameters) => {
      if ("format" in parameters) throw new Error("QEMU refused: Enable PNG support with libpng for screendump");
      await draw(parameters);
    });
    assert.deepEqual(await takeScreenshot(old, folder), { path: join(folder, "screen.ppm") });
    assert.deepEqual(await readdir(folder), ["screen.ppm"]);
  });

  it("says why there is none", async () => {
    const blind = machine(() =>
      Promise.reject(new Error("QEMU refused: There is no console to take a screendump from")),
    );
    assert.match(JSON.stringify(await takeScreenshot(blind, folder)), /There is no console/);
    assert.deepEqual(await takeScreenshot(machine(draw, true), folder), { none: "QEMU has ended" });
  });

  it("is not waited for when QEMU is stuck", async () => {
    const stuck = machine(() => new Promise(() => {}));
    assert.deepEqual(await takeScreenshot(stuck, folder, 20), { none: "QEMU did not answer within 0.02 s" });
  });

  it("leaves no empty picture", async () => {
    const empty = machine(({ filename }) => writeFile(String(filename), ""));
    assert.deepEqual(await takeScreenshot(empty, folder), { none: "QEMU wrote an empty picture" });
    assert.deepEqual(await readdir(folder), []);
  });
});
