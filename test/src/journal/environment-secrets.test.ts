import assert from "node:assert/strict";
import { secretsFromEnvironment } from "../../../src/journal/environment-secrets.ts";

function secretsOf(env: Record<string, string>): string[] {
  return [...secretsFromEnvironment(env)];
}

describe("secrets of an environment", () => {
  const named = [
    "GITHUB_TOKEN",
    "DB_PASSWORD",
    "MYSQL_PASSWD",
    "CLIENT_SECRET",
    "GPG_PASSPHRASE",
    "API_KEY",
    "QUAY_PASS",
  ];
  for (const name of [
    ...named,
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "REGISTRY_AUTH",
    "AWS_UNHEARD_OF",
  ]) {
    it(`include ${name}`, () => {
      assert.deepEqual(secretsOf({ [name]: "c0rrect-h0rse" }), ["c0rrect-h0rse"]);
    });
  }

  for (const [name, value] of Object.entries({
    SSH_KEY: "/root/.ssh/id_ed25519",
    REGISTRY_AUTH_FILE: "/run/containers/auth.json",
    GOOGLE_APPLICATION_CREDENTIALS: "~/gcp/key.json",
    SSH_AUTH_SOCK: "/tmp/ssh-abcd/agent.12",
    TOKEN_FILE: "token.txt",
    AWS_REGION: "eu-central-1",
    AWS_DEFAULT_REGION: "eu-central-1",
    AWS_PROFILE: "kubevirt-ci",
    AWS_CONFIG_FILE: "/root/.aws/config",
    GIT_AUTHOR_NAME: "Somebody Else",
    HTTPS_PROXY: "http://proxy.example.org:3128",
    USE_TOKEN: "required",
    SHORT_TOKEN: "abc",
    HOME: "/root",
  })) {
    it(`do not include ${name}=${value}`, () => {
      assert.deepEqual(secretsOf({ [name]: value }), []);
    });
  }

  it("include a key that begins like a path but is none", () => {
    const key = "/aB3xyzAAAA9999bbbb/CCCCddddEEEEffffGGGG";
    assert.deepEqual(secretsOf({ SIGNING_KEY: key }), [key]);
    assert.deepEqual(secretsOf({ AWS_SECRET_ACCESS_KEY: "/abcd/efgh" }), ["/abcd/efgh"]);
  });

  it("include passwords inside URLs, encoded and decoded", () => {
    assert.deepEqual(secretsOf({ HTTPS_PROXY: "http://me:p%40ssword@proxy.example.org:3128" }), [
      "p%40ssword",
      "p@ssword",
    ]);
    assert.deepEqual(secretsOf({ https_proxy: "me:passw0rd@proxy.example.org:3128" }), ["passw0rd"]);
    assert.deepEqual(secretsOf({ DATABASE_URL: "postgres://db:hunter22@db.example.org/x" }), ["hunter22"]);
    assert.deepEqual(secretsOf({ ORIGIN: "https://0123456789abcdef@git.example.org/x" }), ["0123456789abcdef"]);
    assert.deepEqual(secretsOf({ ORIGIN: "https://me:100%wrong@git.example.org/x" }), ["100%wrong"]);
  });

  it("include the members of registry logins and service accounts", () => {
    const auth = Buffer.from("robot:deep-secret").toString("base64");
    const secrets = secretsOf({ DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { "quay.example.org": { auth } } }) });
    assert.ok(secrets.includes(auth) && secrets.includes("deep-secret"));
    assert.deepEqual(secretsOf({ X_CREDENTIALS: "{broken json" }), ["{broken json"]);
  });
});
