import assert from "node:assert/strict";
import { isOwnPlace, Refused, relayTarget } from "../../../src/relay/relay-target.ts";

function hrefOf(path: string): string | number {
  const target = relayTarget(path);
  return target instanceof Refused ? target.status : target.href;
}

describe("a path of the relay", () => {
  for (const [path, url] of [
    ["/https/a.example/pool/libc%2b%2b_1.deb", "https://a.example/pool/libc%2b%2b_1.deb"],
    ["/http/a.example:8080/x?y=/z&u", "http://a.example:8080/x?y=/z&u"],
    ["/https/a.example", "https://a.example/"],
    ["/https/a.example?x", "https://a.example/?x"],
    ["/https/a.example/pool/../../x", "https://a.example/x"],
    ["/https/[2001:db8::1]/x", "https://[2001:db8::1]/x"],
  ] as const) {
    it(`${path} is ${url}`, () => assert.equal(hrefOf(path), url));
  }

  for (const path of [
    "/",
    "/https/",
    "/https//x",
    "/ftp/a.example/x",
    "/file/etc/passwd",
    "https://a.example/x",
    "//a.example/x",
    "/https/user:password@a.example/x",
    "/https/a b/x",
    "/HTTPS/a.example/x",
    "*",
  ]) {
    it(`is refused when it is ${path}`, () => assert.equal(hrefOf(path), 400));
  }
});

describe("a place of the host itself", () => {
  for (const host of [
    "localhost",
    "a.localhost",
    "localhost.",
    "127.0.0.1",
    "127.9.9.9",
    "0x7f.1",
    "2130706433",
    "0.0.0.0",
    "169.254.169.254",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[fe80::1]",
    "[fd00:ec2::254]",
  ]) {
    it(`is ${host}`, async () => assert.ok(await isOwnPlace(new URL(`http://${host}/`), true)));
  }

  for (const host of ["10.0.0.7", "192.168.1.1", "151.101.2.132", "[2001:db8::1]"]) {
    it(`is not ${host}`, async () => assert.ok(!(await isOwnPlace(new URL(`http://${host}/`), true))));
  }

  it("is not told by a name that a proxy looks up", async () => {
    assert.ok(!(await isOwnPlace(new URL("http://a.example/"), false)));
  });
});
