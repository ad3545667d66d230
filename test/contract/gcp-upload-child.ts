/**
 * Publishes a disk in a process of its own, which is how its memory can be told from that of the counterpart: node gcp-upload-child.ts
 * STORE QCOW2 VIRTUAL_BYTES CONTENT. Prints the most that it took, in MiB, when it is done.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gcpPublisher } from "../../publishers/gcp/gcp-publisher.ts";
import { digestSchema } from "../../src/core/record-schemas.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { openLedger } from "../../src/publish/ledger.ts";
import { makePublishPlan } from "../../src/publish/plan.ts";
import type { Publisher } from "../../src/publish/publisher.ts";
import { runPlan } from "../../src/publish/run-plan.ts";
import { releaseBuild } from "../src/publish/release-build.ts";
import { gcpTarget } from "../publishers/gcp/gcp-target.ts";

const [storeRoot = "", diskPath = "", virtualBytes = "0", content = ""] = process.argv.slice(2);
const build = releaseBuild({ diskPath, virtualBytes: Number(virtualBytes), content: digestSchema.parse(content) });
const now = (): number => Date.now();
const publisher = (await gcpPublisher(gcpTarget(), { env: process.env, storeRoot, now })) as unknown as Publisher;
const { signal } = new AbortController();
const plan = await makePublishPlan([build], [publisher], signal);
const ledger = await openLedger(join(storeRoot, "runs"), { run: "memory", now });
const afterPhase = (): Promise<void> => Promise.resolve();
const ports = { publishers: [publisher], ledger, remembered: new Map(), journal: silentJournal, signal, afterPhase };
await runPlan(plan, ports);
await ledger[Symbol.asyncDispose]();
const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "Infinity";
process.stdout.write(`${Math.round(Number(kib) / 1024)}\n`);
