import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getGlobalDispatcher, setGlobalDispatcher } from "undici";
import type { App } from "../../../src/cli/app.ts";
import { template } from "../../../src/cli/commands/template.ts";
import { openEnvironment } from "../../../src/cli/environment-named.ts";
import { hostCertificates } from "../../../src/base/certificates.ts";
import { defineEnvironment, type EnvironmentInput } from "../../../src/core/environment.ts";
import { capturedApp, type CapturedApp } from "./commands/captured-app.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");

describe("an environment in use", () => {
  const dispatcher = getGlobalDispatcher();
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "kvci-environment-")));
    writeFileSync(join(folder, "authority.pem"), hostCertificates()[0] ?? "");
  });
  afterEach(() => {
    setGlobalDispatcher(dispatcher);
    rmSync(folder, { recursive: true });
  });

  const appWith = (env: App["env"] = {}): CapturedApp => ({ ...capturedApp(folder, NOW), env });
  const write = (name: string, input: EnvironmentInput): string => {
    const text = `import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment(${JSON.stringify(input)});\n`;
    writeFileSync(join(folder, name), text);
    return `./${name}`;
  };

  it("has the process's proxies, absolute paths, and the base URL of the command line", async () => {
    const env = write("a.ts", {
      caCertificates: ["authority.pem"],
      baseUrl: "http://mirror.example/a",
      packageMirrors: { debian: "http://mirror.example/debian" },
    });
    const app = appWith({ HTTPS_PROXY: "http://proxy.example:3128" });
    const { environment } = await openEnvironment(app, { env, mirror: "http://mirror.example/b" });
    assert.deepEqual(environment.caCertificates, [join(folder, "authority.pem")]);
    assert.equal(environment.proxy.https, "http://proxy.example:3128");
    assert.deepEqual([environment.baseUrl, environment.packageMirrors], ["http://mirror.example/b", {}]);
  });

  it("names the file of certificates that is none", async () => {
    const env = write("a.ts", { caCertificates: ["a.ts"] });
    await assert.rejects(openEnvironment(appWith(), { env }), { code: "environment-invalid", message: /a\.ts/ });
  });

  it("has a store of its own unless the variable names one; all else of the app stays", async () => {
    const env = write("a.ts", { store: { path: "big/store" } });
    const app = appWith();
    const own = await openEnvironment(app, { env });
    assert.deepEqual([own.app.storeRoot, own.app.cwd], [join(folder, "big/store"), folder]);
    assert.equal(own.app.stdout, app.stdout);
    const named = await openEnvironment(appWith({ KVCI_BUILD_STORE: folder }), { env });
    assert.equal(named.app.storeRoot, folder);
    assert.equal((await openEnvironment(app, { env: write("b.ts", {}) })).app.storeRoot, folder);
  });

  it("changes no key, whatever it says", async () => {
    const environments: readonly EnvironmentInput[] = [
      {},
      { mirrors: { "http://deb.debian.org": ["http://mirror.example/deb"] }, network: "isolated" },
      { packageMirrors: { debian: "http://mirror.example/debian" }, caCertificates: ["authority.pem"] },
      { baseUrl: "http://mirror.example/kvci", registries: { "docker.io": [{ location: "mirror.example" }] } },
      { proxy: { https: "http://proxy.example:3128", no: ["a.example"] }, memoryGiB: 3, parallelBuilds: 7 },
      { store: { path: "elsewhere", maxGiB: 1 }, warmStatesGiB: 0, credentials: { a: "env:A" } },
    ];
    const plans: string[] = [];
    for (const [index, input] of environments.entries()) {
      assert.ok(defineEnvironment(input));
      const app = appWith();
      const flags = { arch: undefined, out: "out", verify: true, cache: true, warm: true, onError: "clean" } as const;
      const env = write(`environment-${index}.ts`, input);
      assert.equal(await template(app, ["quickstart"], { ...flags, env, plan: true, json: true }), 0, app.err());
      plans.push(app.out());
    }
    assert.match(plans[0] ?? "", /"id": ?"sha256:/);
    for (const plan of plans) assert.equal(plan, plans[0]);
  });
});
