/** All benchmarks, one after another: `npm run bench`. They print figures and ratios; none of them passes or fails. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

for (const name of ["startup", "wrap", "memory"]) {
  process.stdout.write(`\n## ${name}\n\n`);
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const { status } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = 1;
}
