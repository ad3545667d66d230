/**
 * Peak memory of kvci-build itself over a whole build (base from the store, boot, a step, seal, convert, wrap), read from
 * /proc while it runs. Run: `node test/bench/memory.ts`
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LOOK_EVERY_MS = 100;
const LIMIT_MIB = 250;
const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

const TEMPLATE = `import { defineStep, defineTemplate, packages, run } from "kvci-build";
export default defineTemplate({
  name: "memory",
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: 4 },
  steps: [defineStep("fill", [run("sh", "-ec", "head -c 1G /dev/urandom > /var/fill")])],
});
`;

/** High-water mark of a process's resident memory, in MiB; undefined when it has ended. */
function peakMiB(pid: number): number | undefined {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

const folder = mkdtempSync(join(tmpdir(), "kvci-bench-memory-"));
writeFileSync(join(folder, "memory.ts"), TEMPLATE);
const args = ["--disable-warning=ExperimentalWarning", MAIN, "template", "memory.ts", "--no-verify"];
const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
let peak = 0;
const timer = setInterval(() => (peak = Math.max(peak, peakMiB(child.pid ?? 0) ?? 0)), LOOK_EVERY_MS);
child.once("close", (code) => {
  clearInterval(timer);
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(
    `peak memory of a build with 1 GiB of new data: ${peak.toFixed(0)} MiB (at most ${String(LIMIT_MIB)})\n`,
  );
  process.exitCode = code ?? 1;
});
