import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildEvent } from "../../src/core/event.ts";
import type { Journal } from "../../src/core/journal.ts";
import { runProgram } from "../../src/host/program.ts";
import { RegistryRelease } from "./publish-registry-release.ts";
import { publishAll } from "./registry-world.ts";

describe("credentials of a registry", function () {
  this.timeout(60_000);
  let release: RegistryRelease;

  before(async () => {
    release = await RegistryRelease.start();
  });
  after(() => release[Symbol.asyncDispose]());

  it("are on no command line, in no environment of a program, in no journal and in no file", async () => {
    const seen: string[] = [];
    const events: BuildEvent[] = [];
    const emit = (event: BuildEvent): void => void events.push(event);
    const journal: Journal = { emit, span: (_span, work) => work(journal) };
    const recorded: typeof runProgram = (argv, options) => {
      seen.push(JSON.stringify([argv, options.env ?? {}]));
      return runProgram(argv, options);
    };
    const publisher = await release.publisher("secret/node", { ports: { runProgram: recorded } });
    const store = release.storeOf("secret-node");
    await publishAll([release.build], [publisher], { storeRoot: store, journal });
    assert.ok(seen.length > 0 && events.some(({ type }) => type === "program-started"));
    assert.ok(events.some((event) => event.type === "transfer" && event.doneBytes === event.totalBytes));
    const names = await readdir(store, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    const texts = await Promise.all(files.map((path) => readFile(path, "utf8")));
    const { credentials } = release.world.registries[0] ?? { credentials: "" };
    const [, password = ""] = credentials.split(":");
    const secrets = [`:${password}`, Buffer.from(credentials).toString("base64")];
    const all = [...seen, JSON.stringify(events), ...texts].join("\n");
    assert.deepEqual(
      secrets.filter((secret) => all.includes(secret)),
      [],
    );
  });
});
