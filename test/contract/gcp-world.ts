import { randomBytes } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentJournal } from "../../src/core/journal.ts";
import type { GcpTarget } from "../../src/core/target.ts";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { contentDigest } from "../../src/publish/content-digest.ts";
import { openLedger, readLedgers, rememberedBy } from "../../src/publish/ledger.ts";
import { makePublishPlan, type PublishPlan } from "../../src/publish/plan.ts";
import { rollBack } from "../../src/publish/rollback.ts";
import { runPlan } from "../../src/publish/run-plan.ts";
import { gcpPublisher, type GcpPublisherPorts } from "../../publishers/gcp/gcp-publisher.ts";
import type { GcpState } from "../../publishers/gcp/state.ts";
import type { Publisher, ReleaseBuild } from "../../src/publish/publisher.ts";
import { startGcp, type GcpCounterpart, type GcpOptions } from "../counterparts/gcp/start-gcp.ts";
import { sha256 } from "../../src/core/digest.ts";
import { gcpTarget } from "../publishers/gcp/gcp-target.ts";
import { releaseBuild } from "../src/publish/release-build.ts";

export const MIB = 2 ** 20;

/** Of `makeDisk`: no whole GiB, so that it is filled up. */
export const VIRTUAL_BYTES = 96 * MIB;

/** A disk whose 20 MiB of data do not compress, at its start, in the middle and at its end. */
export async function makeDisk(folder: string): Promise<{ readonly raw: string; readonly qcow2: string }> {
  const raw = join(folder, "disk.raw");
  const qcow2 = join(folder, "disk.qcow2");
  const file = await open(raw, "w");
  await file.truncate(VIRTUAL_BYTES);
  for (const [at, size] of [
    [1, 10],
    [40, 8],
    [94, 2],
  ] as const) {
    await file.write(randomBytes(size * MIB), 0, size * MIB, at * MIB);
  }
  await file.close();
  const argv = ["qemu-img", "convert", "-q", "-O", "qcow2", raw, qcow2] as const;
  await runProgram([...argv], { signal: new AbortController().signal, timeoutMs: 60_000 });
  return { raw, qcow2 };
}

/** A counterpart, a store and a build: what publishing to Google Cloud takes. */
export class GcpWorld implements AsyncDisposable {
  readonly gcp: GcpCounterpart;
  readonly folder: string;
  readonly build: ReleaseBuild;
  readonly #credentials: string | undefined;
  #runs = 0;

  private constructor(
    gcp: GcpCounterpart,
    { folder, build }: { readonly folder: string; readonly build: ReleaseBuild },
  ) {
    this.gcp = gcp;
    this.folder = folder;
    this.build = build;
    // Google's library reads the process's own environment.
    this.#credentials = process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    process.env["GOOGLE_APPLICATION_CREDENTIALS"] = gcp.env["GOOGLE_APPLICATION_CREDENTIALS"];
  }

  static async start(qcow2: string, options: GcpOptions = {}): Promise<GcpWorld> {
    const folder = await mkdtemp(join(tmpdir(), "kvci-gcp-world-"));
    const { signal } = new AbortController();
    const content = await contentDigest({ storeRoot: folder, file: sha256(qcow2) }, () => rawDisk(qcow2, { signal }));
    const build = releaseBuild({ version: "1.31.2", diskPath: qcow2, virtualBytes: VIRTUAL_BYTES, content });
    return new GcpWorld(await startGcp(options), { folder, build });
  }

  publisher(given: Partial<GcpTarget> = {}, ports: Partial<GcpPublisherPorts> = {}): Promise<Publisher<GcpState>> {
    return gcpPublisher(gcpTarget(given), {
      env: this.gcp.env,
      storeRoot: this.folder,
      now: () => Date.now(),
      pace: { baseMs: 5, deadlineMs: 20_000 },
      pollMs: 5,
      ...ports,
    });
  }

  /** Plans and applies, as a run of its own. */
  async publish(
    publisher: Publisher<GcpState>,
    {
      builds = [this.build],
      signal = new AbortController().signal,
    }: { builds?: readonly ReleaseBuild[]; signal?: AbortSignal } = {},
  ): Promise<{ readonly run: string; readonly plan: PublishPlan }> {
    const anonymous = publisher as unknown as Publisher;
    const plan = await makePublishPlan(builds, [anonymous], signal);
    const runs = join(this.folder, "runs");
    const remembered = rememberedBy(await readLedgers(runs), plan.subject);
    this.#runs += 1;
    const ledger = await openLedger(runs, { run: `run-${this.#runs}`, now: () => Date.now() });
    try {
      const { subject, targets, id } = plan;
      await ledger.append({
        type: "run",
        formatVersion: 1,
        run: ledger.run,
        subject,
        plan: id,
        targets,
        what: [],
        tool: "test",
      });
      const afterPhase = () => Promise.resolve();
      await runPlan(plan, { publishers: [anonymous], ledger, remembered, journal: silentJournal, signal, afterPhase });
      return { run: ledger.run, plan };
    } finally {
      await ledger[Symbol.asyncDispose]();
    }
  }

  async rollBack(run: string, publisher: Publisher<GcpState>): Promise<readonly string[]> {
    const runs = join(this.folder, "runs");
    const all = await readLedgers(runs);
    const found = all.find((each) => each.run === run);
    if (!found) throw new RangeError(`no run ${run}`);
    const ledger = await openLedger(runs, { run, now: () => Date.now() });
    try {
      const remembered = rememberedBy(all, found.begun.subject);
      const { signal } = new AbortController();
      return await rollBack(found, {
        publishers: [publisher],
        ledger,
        remembered,
        journal: silentJournal,
        signal,
      });
    } finally {
      await ledger[Symbol.asyncDispose]();
    }
  }

  /** How many bytes came, and how many of them stayed, in all sessions. */
  uploaded(): { readonly received: number; readonly kept: number } {
    const sessions = [...this.gcp.state.sessions.values()];
    return {
      received: sessions.reduce((sum, { received }) => sum + received, 0),
      kept: sessions.reduce((sum, { persisted }) => sum + persisted, 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#credentials === undefined) delete process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    else process.env["GOOGLE_APPLICATION_CREDENTIALS"] = this.#credentials;
    await this.gcp.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
