import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withDisposal } from "../../src/core/disposal.ts";
import { silentJournal, type Journal } from "../../src/core/journal.ts";
import { runProgram } from "../../src/host/program.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import { begunSteps, openLedger, readLedgers } from "../../src/publish/ledger.ts";
import { makePublishPlan, type AnyPublisher, type PublishPlan } from "../../src/publish/plan.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { rollBack } from "../../src/publish/rollback.ts";
import { runPlan } from "../../src/publish/run-plan.ts";
import type { StepResult } from "../../src/publish/step.ts";
import { registryConnections, type Http } from "../../publishers/registry/registry-http.ts";
import { frontAuthFile, RegistryFront } from "../counterparts/registry/registry-front.ts";
import { RegistryWorld } from "../world/registry.ts";

const { signal } = new AbortController();

/** Two real registries, a front before each, and an account for both. */
export class RegistryTestWorld implements AsyncDisposable {
  readonly folder: string;
  readonly registries: readonly RegistryWorld[];
  readonly fronts: readonly [RegistryFront, RegistryFront];
  readonly authFile: string;
  /** Certificates of both. */
  readonly certificate: string;
  readonly #http: Http;

  private constructor(of: {
    readonly http: Http;
    readonly folder: string;
    readonly registries: readonly RegistryWorld[];
    readonly fronts: readonly [RegistryFront, RegistryFront];
    readonly authFile: string;
    readonly certificate: string;
  }) {
    this.folder = of.folder;
    this.registries = of.registries;
    this.fronts = of.fronts;
    this.authFile = of.authFile;
    this.certificate = of.certificate;
    this.#http = of.http;
  }

  static async start(folder: string): Promise<RegistryTestWorld> {
    const [first, second] = [join(folder, "registry-1"), join(folder, "registry-2")];
    for (const each of [first, second]) await mkdir(each);
    const registries = [await RegistryWorld.start(first), await RegistryWorld.start(second)] as const;
    const fronts = [await RegistryFront.start(registries[0]), await RegistryFront.start(registries[1])] as const;
    const authFile = await frontAuthFile(join(folder, "auth.json"), fronts, registries[0].credentials);
    const certificate = join(folder, "ca.crt");
    const both = await Promise.all(registries.map((each) => readFile(each.certificate, "utf8")));
    await writeFile(certificate, both.join(""));
    const { http } = registryConnections({}, both.join(""));
    return new RegistryTestWorld({ http, folder, registries, fronts, authFile, certificate });
  }

  /** skopeo, let in and trusting. */
  skopeo(...args: readonly string[]): Promise<string> {
    const env = { REGISTRY_AUTH_FILE: this.authFile, SSL_CERT_FILE: this.certificate };
    return runProgram(["skopeo", "--insecure-policy", ...args], { signal, timeoutMs: 120_000, env });
  }

  /** Digests of everything that a repository's tags stand for, by tag. */
  async tags(front: RegistryFront, repository: string): Promise<Record<string, string>> {
    const listed = await this.ask(front, `${repository}/tags/list`);
    const { tags } = JSON.parse(listed.body) as { tags?: string[] | null };
    const found: Record<string, string> = {};
    for (const tag of [...(tags ?? [])].sort()) {
      found[tag] = (await this.ask(front, `${repository}/manifests/${tag}`)).digest;
    }
    return found;
  }

  /** Straight from the registry behind a front, which counts nothing of it. */
  async ask(
    front: RegistryFront,
    path: string,
  ): Promise<{ readonly status: number; readonly body: string; readonly digest: string }> {
    const index = this.fronts.findIndex((each) => each === front);
    const registry = this.registries[index];
    if (!registry) throw new Error("no registry");
    const accept = ["manifest", "index"].map((kind) => `application/vnd.oci.image.${kind}.v1+json`).join(", ");
    const authorization = `Basic ${Buffer.from(registry.credentials).toString("base64")}`;
    const url = new URL(`https://${registry.host}/v2/${path}`);
    const reply = await this.#http({ method: "GET", url, headers: { accept, authorization }, signal });
    const { status, body, headers } = reply;
    return { status, body: body.toString("utf8"), digest: String(headers["docker-content-digest"] ?? "") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const front of this.fronts) await front[Symbol.asyncDispose]();
    for (const registry of this.registries) await registry[Symbol.asyncDispose]();
  }
}

export interface EngineRun {
  readonly plan: PublishPlan;
  readonly run: string;
  readonly results: ReadonlyMap<string, StepResult | undefined>;
}

/** Plans and runs in this process, with a ledger. */
export async function publishAll(
  builds: readonly ReleaseBuild[],
  publishers: readonly AnyPublisher[],
  at: string | { readonly storeRoot: string; readonly journal: Journal },
): Promise<EngineRun> {
  const { storeRoot, journal } = typeof at === "string" ? { storeRoot: at, journal: silentJournal } : at;
  const plan = await makePublishPlan(builds, publishers, signal);
  const folder = ledgerFolder(storeRoot);
  const ledger = await openLedger(folder, { run: `run-${Date.now()}`, now: Date.now });
  const { subject, targets, id } = plan;
  try {
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
    const remembered = new Map<string, JsonValue>();
    const afterPhase = (): Promise<void> => Promise.resolve();
    await runPlan(plan, { publishers, ledger, remembered, journal, signal, afterPhase });
  } finally {
    await ledger[Symbol.asyncDispose]();
  }
  const found = (await readLedgers(folder)).find(({ run }) => run === ledger.run);
  const results = new Map(found ? begunSteps(found).map(({ step, result }) => [step.id, result] as const) : []);
  return { plan, run: ledger.run, results };
}

/** Takes all runs of a folder back, the last first. @returns how many steps were. */
export async function takeBack(publishers: readonly AnyPublisher[], storeRoot: string): Promise<number> {
  let undone = 0;
  for (const run of (await readLedgers(ledgerFolder(storeRoot))).reverse()) {
    const ledger = await openLedger(ledgerFolder(storeRoot), { run: run.run, now: Date.now });
    const records = run.records.filter((record) => record.type === "remembered");
    const remembered = new Map(records.map(({ key, value }) => [key, value]));
    const ports = { publishers, ledger, remembered, journal: silentJournal, signal };
    undone += await withDisposal(ledger, async () => (await rollBack(run, ports)).length);
  }
  return undone;
}

function ledgerFolder(storeRoot: string): string {
  return join(storeRoot, "publish", "runs");
}
