/**
 * The benchmarks, one after another: `npm run bench`, or `npm run bench -- NAME...` for some. They print figures, ratios and
 * what these should be; none of them fails for being slow.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const PUBLISHING = ["publish-registry", "publish-aws", "publish-gcp"];
/** The last one takes half an hour without KVM. */
const NAMES = ["startup", "wrap", "memory", "plan", "matrix", ...PUBLISHING, "prepull", "packer"];

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !NAMES.includes(name));
if (unknown === undefined) for (const name of asked.length === 0 ? NAMES : asked) run(name);
else {
  process.stderr.write(`no benchmark "${unknown}"; there are ${NAMES.join(", ")}\n`);
  process.exitCode = 3;
}

function run(name: string): void {
  process.stdout.write(`\n## ${name}\n\n`);
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const { status } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = 1;
}
