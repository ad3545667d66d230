import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { bootedMachine, ranSteps, restoredSteps, templateText, warnings, Workspace, type Ended } from "./kvci.ts";
import { ImageMirror } from "../fakes/image-mirror.ts";

/** What a guest could reach of this host, if it reached anything. */
const SECRET = "a service of the host";

/** Fails unless the guest is alone but for the relay; says what it finds out. */
function alone(port: string): string {
  const reached = (host: string, at: string): string => `timeout 5 bash -c '</dev/tcp/${host}/${at}' 2> /dev/null`;
  return [
    `! ${reached("10.0.2.2", port)} || { echo the host is reached; exit 1; }`,
    `! ${reached("10.0.2.2", "22")} || { echo the gateway is reached; exit 1; }`,
    "! timeout 5 getent hosts deb.debian.org || { echo names are looked up; exit 1; }",
    `! ${reached("151.101.2.132", "80")} || { echo the internet is reached; exit 1; }`,
    "relay=$(cat /run/kvci-build/relay)",
    "exec 3<> /dev/tcp/127.0.0.1/\${relay##*:}",
    `printf 'GET /http/127.0.0.1:${port}/disk.img HTTP/1.0\\r\\n\\r\\n' >&3`,
    "answer=$(timeout 20 cat <&3)",
    'case $answer in "HTTP/1.1 403 "*) ;; *) echo "the relay answers $answer"; exit 1 ;; esac',
    "! grep -r 127.0.0.1 /etc/apt || { echo the sources name the relay; exit 1; }",
  ].join("\n");
}

function step(name: string, script: string): string {
  return `defineStep(${JSON.stringify(name)}, [run("bash", "-ec", ${JSON.stringify(script)})])`;
}

describe("a guest in isolation", () => {
  let workspace: Workspace;
  let host: ImageMirror;
  before(async () => {
    host = await ImageMirror.start({ "/disk.img": SECRET });
    const environment =
      'import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment({ network: "isolated" });\n';
    workspace = await Workspace.create({ "isolated.ts": environment }, {}, { firstBoot: true });
  });
  after(async () => {
    await workspace.remove();
    await host[Symbol.asyncDispose]();
  });

  const build = async (name: string, steps: readonly string[], ...args: readonly string[]): Promise<Ended> => {
    await workspace.write(`${name}.ts`, templateText(name, steps.join(", ")));
    const command = ["template", `${name}.ts`, "--env", "./isolated.ts", "--no-verify", "--json", ...args];
    const ended = await workspace.run(command);
    assert.equal(ended.status, 0, ended.stderr.slice(-3000));
    assert.deepEqual([warnings(ended), await workspace.processes(), await workspace.leftovers()], [[], [], []]);
    return ended;
  };
  const port = (): string => new URL(host.url()).port;

  it("installs packages through kvci-build and reaches nothing else, when its memory was saved with a network", async () => {
    const steps = ['installPackages(["tree"])', step("alone", `command -v tree\n${alone(port())}`)];
    const ended = await build("warm", steps);
    assert.deepEqual([restoredSteps(ended), ranSteps(ended)], [["first boot"], ["install-tree", "alone"]]);
    assert.deepEqual(host.requests, []);
  });

  it("does so when it boots, and after a restart", async () => {
    const steps = [step("first", alone(port())), 'defineStep("restart", [reboot()])', 'installPackages(["pv"])'];
    const ended = await build("cold", [...steps, step("last", `command -v pv\n${alone(port())}`)], "--no-warm");
    assert.deepEqual([bootedMachine(ended), restoredSteps(ended)], [true, []]);
    assert.deepEqual(host.requests, []);
  });

  it("goes on from memory that was saved in isolation", async () => {
    const steps = ['installPackages(["tree"])', step("alone", `command -v tree\n${alone(port())}`)];
    const ended = await build("warm", [...steps, 'installPackages(["pv"])']);
    assert.deepEqual([restoredSteps(ended), ranSteps(ended)], [["alone"], ["install-pv"]]);
  });

  it("leaves no trace of how its packages came", async () => {
    const layers = await workspace.layers();
    assert.ok(layers.length >= 6, layers.map((layer) => layer.step).join(", "));
    for (const { path, step: name } of layers) {
      const text = (await readFile(path)).toString("latin1");
      assert.doesNotMatch(text, /127\.0\.0\.1:\d+\/https?\/|kvci-build\/relay\n/, `the layer of ${name}`);
    }
  });
});
