import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KvciError } from "../../../src/core/error.ts";
import { registryLogin, type LoginPorts } from "../../../publishers/registry/registry-login.ts";
import { scratchFolder } from "../../src/oci/small-image.ts";

const { signal } = new AbortController();
const basic = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString("base64") });

describe("the login for a registry", () => {
  let home: string;
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  beforeEach(async () => {
    scratch = await scratchFolder();
    home = scratch.path;
  });
  afterEach(() => scratch.remove());

  const file = async (name: string, value: unknown): Promise<string> => {
    const path = join(home, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
    return path;
  };
  const login = (
    env: LoginPorts["env"],
    host = "quay.io",
    runProgram: LoginPorts["runProgram"] = () => Promise.reject(new Error("no program is expected")),
  ): ReturnType<typeof registryLogin> =>
    registryLogin({ host, repository: "org/team/node" }, { env: { HOME: home, ...env }, runProgram }, signal);

  it("is a robot account of the environment, for its registry alone", async () => {
    const env = { KVCI_REGISTRY_QUAY_IO_USER: "org+ci", KVCI_REGISTRY_QUAY_IO_PASSWORD: "robot" };
    assert.deepEqual(await login(env), {
      source: "KVCI_REGISTRY_QUAY_IO_USER",
      username: "org+ci",
      secret: "robot",
      kind: "password",
    });
    assert.equal(await login(env, "other.example"), undefined);
    await assert.rejects(login({ KVCI_REGISTRY_QUAY_IO_USER: "org+ci" }), { code: "publish-denied" });
  });

  it("is that of the longest path in Podman's file, before Docker's", async () => {
    const runtime = join(home, "run");
    await file("run/containers/auth.json", {
      auths: { "quay.io": basic("all:1"), "quay.io/org": basic("org:2"), "quay.io/org/other": basic("no:3") },
    });
    await file(".docker/config.json", { auths: { "quay.io": basic("docker:4"), "only.example": basic("docker:5:6") } });
    assert.equal((await login({ XDG_RUNTIME_DIR: runtime }))?.username, "org");
    assert.equal((await login({}))?.username, "docker");
    assert.equal((await login({ XDG_RUNTIME_DIR: runtime }, "only.example"))?.secret, "5:6");
  });

  it("is that of the file which REGISTRY_AUTH_FILE names, and of no other", async () => {
    await file(".docker/config.json", { auths: { "quay.io": basic("docker:4") } });
    const named = await file("named.json", { auths: {} });
    assert.equal(await login({ REGISTRY_AUTH_FILE: named }), undefined);
    await assert.rejects(login({ REGISTRY_AUTH_FILE: join(home, "none") }), { code: "publish-denied" });
  });

  it("says which file is damaged, and nothing of what is in it", async () => {
    const path = await file("named.json", '{"auths": {"quay.io": {"auth": "c2VjcmV0');
    await assert.rejects(login({ REGISTRY_AUTH_FILE: path }), (error: KvciError) => {
      assert.ok(error.message.includes(path));
      assert.ok(!error.message.includes("c2VjcmV0") && error.evidence.length === 0);
      return true;
    });
  });

  it("is what a credential helper says; one that has none is no error", async () => {
    await file(".docker/config.json", { credHelpers: { "quay.io": "desk" }, credsStore: "store" });
    const asked: string[] = [];
    const answer =
      (text: string | undefined): LoginPorts["runProgram"] =>
      (argv, { stdin }) => {
        asked.push(`${argv.join(" ")} ${String(stdin)}`);
        const none = new KvciError("program-failed", "exited 1", { hint: "Try again." });
        return text === undefined ? Promise.reject(none) : Promise.resolve(text);
      };
    const found = await login({}, "quay.io", answer('{"Username": "<token>", "Secret": "t"}'));
    assert.deepEqual([found?.kind, found?.secret], ["identity-token", "t"]);
    assert.equal(await login({}, "other.example", answer(undefined)), undefined);
    assert.deepEqual(asked, ["docker-credential-desk get quay.io", "docker-credential-store get other.example"]);
  });
});
