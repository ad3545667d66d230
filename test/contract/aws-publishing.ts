import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withDisposal } from "../../src/core/disposal.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { targetSchema, type AwsTarget } from "../../src/core/target.ts";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { openLedger, readLedgers, rememberedBy } from "../../src/publish/ledger.ts";
import { makePublishPlan, type PublishPlan } from "../../src/publish/plan.ts";
import type { Publisher, ReleaseBuild } from "../../src/publish/publisher.ts";
import { rollBack } from "../../src/publish/rollback.ts";
import { runPlan, type LeftOut } from "../../src/publish/run-plan.ts";
import { awsPublisher, type AwsPublisherPorts } from "../../publishers/aws/aws-publisher.ts";
import { releaseBuild } from "../src/publish/release-build.ts";
import type { AwsCounterpart } from "../counterparts/aws/start-aws.ts";

const BLOCK = 512 * 1024;
const { signal: never } = new AbortController();

/** A folder for disks, stores and ledgers. */
export async function scratch(): Promise<{ readonly folder: string; readonly remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "kvci-aws-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** What block of a disk holds which letter; the rest is zeros. */
export type Blocks = Readonly<Record<number, string>>;

/** A qcow2 disk with an EFI system partition's entry in its table, and its digest. */
export async function makeDisk(
  folder: string,
  { name, blocks, count }: { readonly name: string; readonly blocks: Blocks; readonly count: number },
): Promise<Pick<ReleaseBuild, "diskPath" | "content" | "virtualBytes">> {
  const raw = join(folder, `${name}.raw`);
  const diskPath = join(folder, `${name}.qcow2`);
  const file = await open(raw, "w");
  const virtualBytes = count * BLOCK + 4096;
  await file.truncate(virtualBytes);
  await file.write(Buffer.from([0xef]), 0, 1, 446 + 4);
  for (const [index, letter] of Object.entries(blocks)) {
    await file.write(Buffer.alloc(BLOCK, `${letter}${index} `), 0, BLOCK, Number(index) * BLOCK);
  }
  await file.close();
  await runProgram(["qemu-img", "convert", "-q", "-O", "qcow2", raw, diskPath], { signal: never, timeoutMs: 60_000 });
  const hash = createHash("sha256");
  for await (const piece of rawDisk(diskPath, { signal: never })) hash.update(piece);
  return { diskPath, virtualBytes, content: `sha256:${hash.digest("hex")}` };
}

function target(given: Partial<AwsTarget> = {}): AwsTarget & { readonly name: string } {
  return targetSchema.parse({ kind: "aws", ...given }) as AwsTarget;
}

export { releaseBuild };

/** Everything one process of `kvci-build publish` has; several may share a folder. */
export class Publishing {
  readonly publisher: Publisher;
  readonly #folder: string;
  #runs = 0;

  private constructor(publisher: Publisher, folder: string) {
    this.publisher = publisher;
    this.#folder = folder;
  }

  static async start(
    aws: Pick<AwsCounterpart, "env">,
    folder: string,
    given: Partial<AwsTarget> & { readonly ports?: Partial<AwsPublisherPorts> } = {},
  ): Promise<Publishing> {
    const { ports, ...declared } = given;
    const publisher = await awsPublisher(target(declared), {
      env: aws.env,
      storeRoot: folder,
      now: Date.now,
      callDeadlineMs: 10_000,
      ...ports,
    });
    return new Publishing(publisher, folder);
  }

  plan(builds: readonly ReleaseBuild[]): Promise<PublishPlan> {
    return makePublishPlan(builds, [this.publisher], never);
  }

  get ledgers(): string {
    return join(this.#folder, "runs");
  }

  async apply(plan: PublishPlan, signal: AbortSignal = never): Promise<{ run: string; leftOut: readonly LeftOut[] }> {
    const remembered = rememberedBy(await readLedgers(this.ledgers), plan.subject);
    const run = `${String(process.pid)}-${String(Date.now())}-${String((this.#runs += 1))}`;
    const ledger = await openLedger(this.ledgers, { run, now: Date.now });
    const { subject, targets, id } = plan;
    await ledger.append({ type: "run", formatVersion: 1, run, subject, plan: id, targets, what: [], tool: "test" });
    try {
      const afterPhase = () => Promise.resolve();
      const ports = { publishers: [this.publisher], ledger, remembered, journal: silentJournal, signal, afterPhase };
      return { run, leftOut: await runPlan(plan, ports) };
    } finally {
      await ledger[Symbol.asyncDispose]();
    }
  }

  /** Plans and applies. */
  async publish(builds: readonly ReleaseBuild[], signal?: AbortSignal): ReturnType<Publishing["apply"]> {
    const plan = await this.plan(builds);
    assert.deepEqual(
      plan.findings.filter(({ level }) => level === "error"),
      [],
    );
    return this.apply(plan, signal);
  }

  /** The last run first, as a person would. */
  async rollBackAll(): Promise<number> {
    let undone = 0;
    for (const past of (await readLedgers(this.ledgers)).reverse()) {
      const remembered = rememberedBy(await readLedgers(this.ledgers), past.begun.subject);
      const ledger = await openLedger(this.ledgers, { run: past.run, now: Date.now });
      const ports = { publishers: [this.publisher], ledger, remembered, journal: silentJournal, signal: never };
      undone += (await withDisposal(ledger, () => rollBack(past, ports))).length;
    }
    return undone;
  }
}
