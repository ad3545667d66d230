import { KvciError } from "../core/error.ts";
import type { Target } from "../core/target.ts";
import { findProgram } from "../host/find-program.ts";
import { runProgram } from "../host/program.ts";
import { programsFor, type Feature } from "../host/programs.ts";
import type { AnyPublisher } from "../publish/plan.ts";
import { smokeTestFor } from "./cloud-smoke.ts";
import { ensure } from "./need-programs.ts";
import type { Session } from "./session.ts";
import { targetName } from "./publish-targets.ts";

/** What publishers are made with, beside the session. */
export interface PublisherOptions {
  /** Whether images are booted at a target before anybody sees them; without it, at none. */
  readonly boots?: (target: Target) => boolean;
}

/**
 * Publishers of targets. Each kind is loaded when it is wanted: the clouds' libraries take a second and some hundred megabytes.
 *
 * @throws {KvciError} `program-missing`
 */
export async function publishersOf(
  targets: readonly Target[],
  session: Session,
  options: PublisherOptions = {},
): Promise<readonly AnyPublisher[]> {
  await ensure(session, programsFor([...new Set(targets.map(featureOf))], "amd64"));
  return Promise.all(targets.map((target) => publisherOf(target, session, options)));
}

function featureOf({ kind }: Target): Feature {
  return kind === "registry" ? "publish-registry" : "publish-cloud";
}

/** One of them, without looking for the programs that uploads take. */
export async function publisherOf(
  target: Target,
  session: Session,
  { boots = () => false }: PublisherOptions = {},
): Promise<AnyPublisher> {
  const { app, store } = session;
  const ports = { env: app.env, storeRoot: store.root, now: app.now };
  const name = targetName(target);
  if (target.kind === "registry") {
    const { registryPublisher } = await import("../../publishers/registry/registry-publisher.ts");
    return registryPublisher({ ...target, name }, { ...ports, oras: await orasProgram(session), runProgram });
  }
  const smoke = boots(target) ? { smoke: smokeTestFor(target, session) } : {};
  if (target.kind === "aws") {
    const { awsPublisher } = await import("../../publishers/aws/aws-publisher.ts");
    return awsPublisher({ ...target, name }, { ...ports, ...smoke });
  }
  const { gcpPublisher } = await import("../../publishers/gcp/gcp-publisher.ts");
  return gcpPublisher({ ...target, name }, { ...ports, ...smoke });
}

/** @throws {KvciError} `program-missing` */
async function orasProgram({ app }: Session): Promise<string> {
  const oras = await findProgram("oras", app.search);
  if (oras !== undefined) return oras;
  throw new KvciError("program-missing", "oras is not installed", { hint: "Run `kvci-build doctor --fix`." });
}
