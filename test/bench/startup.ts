/**
 * How long the command line takes to answer, beside programs that people know, in turn. Run:
 * `node test/bench/startup.ts`
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./median.ts";

const ROUNDS = 9;
const LAUNCHER = fileURLToPath(new URL("../../kvci-build", import.meta.url));

interface Subject {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /** Milliseconds it may take; a peer has none. */
  readonly limitMs?: number;
}

const SUBJECTS: readonly Subject[] = [
  { name: "kvci-build --help", argv: [LAUNCHER, "--help"], limitMs: 150 },
  {
    name: "kvci-build template quickstart.ts --plan",
    argv: [LAUNCHER, "template", "quickstart.ts", "--plan"],
    limitMs: 500,
  },
  { name: "npm --help (peer in Node)", argv: ["npm", "--help"] },
  { name: "skopeo --help (peer in Go)", argv: ["skopeo", "--help"] },
  { name: "node, an empty program", argv: [process.execPath, "-e", "0"] },
];

function milliseconds([file, ...args]: Subject["argv"]): number {
  const started = performance.now();
  const { error } = spawnSync(file, args, { stdio: "ignore" });
  return error ? Number.NaN : performance.now() - started;
}

const samples = SUBJECTS.map((): number[] => []);
for (let round = 0; round < ROUNDS; round += 1) {
  SUBJECTS.forEach(({ argv }, index) => samples[index]?.push(milliseconds(argv)));
}
SUBJECTS.forEach(({ name, limitMs }, index) => {
  const middle = median(samples[index] ?? []);
  const limit = limitMs === undefined ? "" : ` (at most ${String(limitMs)})`;
  process.stdout.write(
    `${name.padEnd(42)} ${Number.isNaN(middle) ? "not installed" : `${middle.toFixed(0)} ms${limit}`}\n`,
  );
});
