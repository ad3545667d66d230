import { join } from "node:path";
import type { Place } from "../../verify/place.ts";
import { recordVerification } from "../../verify/record.ts";
import type { VerificationResult } from "../core/finding.ts";
import { KvciError } from "../core/error.ts";
import { isShared, type AwsTarget, type GcpTarget, type Target } from "../core/target.ts";
import { readBuildRecord } from "../pipeline/build-record.ts";
import type { SmokeTest } from "../publish/publisher.ts";
import type { Session } from "./session.ts";
import { verifyAt } from "./verify-build.ts";

export type CloudTarget = AwsTarget | GcpTarget;

/** An image of a cloud, and where it is booted. */
export interface CloudImage {
  /** Region or zone. */
  readonly place: string;
  /** AMI id, or self-link. */
  readonly image: string;
  /** Of the build; consoles are kept there. */
  readonly folder: string;
}

/**
 * Whether an image is booted at a target before others see it.
 *
 * @param wanted undefined: where somebody beside the owner gets it.
 * @throws {KvciError} `environment-invalid` where it is wanted and there is no zone for it.
 */
export function isBooted(target: Target, wanted: boolean | undefined): boolean {
  if (target.kind === "registry") return false;
  if (target.kind === "aws" || target.smokeZone !== undefined) return wanted ?? isShared(target);
  if (wanted !== true) return false;
  throw new KvciError("environment-invalid", `the target ${target.name} names no zone to boot in`, {
    hint: 'Give it one: smokeZone: "us-central1-b".',
  });
}

/** Boots the private image of a build, runs the suites that apply to it, and records their results beside the build. */
export function smokeTestFor(target: CloudTarget, session: Session, placeFor = cloudPlace): SmokeTest {
  return async ({ build, place: where, image, journal }) => {
    const { folder, template, arch } = build;
    const { images } = await readBuildRecord(folder);
    const place = await placeFor(target, { place: where, image, folder }, session);
    const results: VerificationResult[] = [];
    for (const suite of images === undefined ? ["boot"] : ["boot", "node"]) {
      const result = await verifyAt(place, { folder, suite, session, journal });
      await recordVerification(folder, result);
      if (!result.ok) throw failed(`${template} ${arch}`, result, folder);
      results.push(result);
    }
    return {
      suites: results.map(({ suite }) => suite),
      checks: results.reduce((sum, { findings }) => sum + findings.length, 0),
      durationMs: results.reduce((sum, { durationMs }) => sum + durationMs, 0),
    };
  };
}

/** Where clones of an image run. The first of them removes what killed runs of ours left there. */
export async function cloudPlace(target: CloudTarget, image: CloudImage, session: Session): Promise<Place> {
  const { app, runId: run } = session;
  const serialLog = (clone: string): string => join(image.folder, `verification-${clone}-${target.kind}.serial.log`);
  const common = { image: image.image, run, now: app.now, serialLog, ...sshOf(target) };
  if (target.kind === "aws") {
    const [{ awsClients }, { ec2Place }] = await Promise.all([
      import("../aws/clients.ts"),
      import("../../verify/ec2-place.ts"),
    ]);
    const { smokeInstanceType: instanceType } = target;
    return ec2Place({ ...common, api: awsClients(app.env), region: image.place, instanceType });
  }
  const [{ gcpApi }, { gcePlace }] = await Promise.all([
    import("../gcp/gcp-api.ts"),
    import("../../verify/gce-place.ts"),
  ]);
  const { project, smokeMachineType: machineType } = target;
  return gcePlace({ ...common, api: gcpApi(app.env, { project }), project, zone: image.place, machineType });
}

function sshOf({ smokeSshFrom, smokeSshPort: sshPort }: CloudTarget): {
  readonly sshPort: number;
  readonly sshFrom?: readonly string[];
} {
  return smokeSshFrom === undefined ? { sshPort } : { sshPort, sshFrom: smokeSshFrom };
}

function failed(name: string, { findings, suite, place }: VerificationResult, folder: string): KvciError {
  const wrong = findings.filter(({ ok }) => !ok);
  const checks = wrong.map(({ check }) => check).join(", ");
  return new KvciError("verification-failed", `${name} fails on ${place}, suite ${suite}: ${checks}`, {
    hint: `Look at verification-${suite}-${place}.json and at the consoles in ${folder}. Nobody sees the image; publish again when it is repaired, or roll back.`,
    evidence: wrong.map(({ check, detail }) => `${check}: ${detail}`),
  });
}
