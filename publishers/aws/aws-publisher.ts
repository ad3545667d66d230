import { awsClients } from "../../src/aws/clients.ts";
import type { AwsApi } from "../../src/aws/clients.ts";
import { KvciError } from "../../src/core/error.ts";
import type { AwsTarget } from "../../src/core/target.ts";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { AdaptiveLimit } from "../../src/publish/adaptive-limit.ts";
import type { Publisher, ReleaseBuild, SmokeTest } from "../../src/publish/publisher.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import { awsCaller, type AwsCaller } from "../../src/aws/aws-caller.ts";
import { collectItem } from "./collect.ts";
import { diff } from "./diff.ts";
import { garbage } from "./garbage.ts";
import { imagePlan, type ImagePlan } from "./image-plan.ts";
import { ImageWatch } from "./image-watch.ts";
import { identityOf, observe, type ObservePorts } from "./observe.ts";
import { preflight } from "./preflight.ts";
import { publishedImages } from "./published.ts";
import type { AwsState } from "./state.ts";
import type { ReadDisk } from "./step-handler.ts";
import { stepRunner } from "./step-handlers.ts";
import { isAwsStepKind, type AwsStepKind } from "./step-inputs.ts";

export interface AwsPublisherPorts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly storeRoot: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Boots the private image; without it, no release is booted. */
  readonly smoke?: SmokeTest;
  readonly readDisk?: ReadDisk;
  /** Milliseconds for a call with all its attempts. Default: two minutes. */
  readonly callDeadlineMs?: number;
  /** Blocks under way. Default: 32 at first, then what EBS takes, 40 at most. */
  readonly uploads?: { readonly start: number; readonly most: number };
  /** Default: the SDK's clients. */
  readonly api?: AwsApi;
}

/**
 * At most 20 MiB of blocks in memory, and once more on their way. At 40 ms for each that is the 500 MiB/s that one snapshot takes; more
 * at once bring nothing, see test/bench/publish-aws.ts.
 */
const UPLOADS = { start: 32, most: 40 };

/**
 * Publishes builds as AMIs: blocks go straight from the disk to EBS in one region, the image is registered and copied from there,
 * read back, booted, and only then shared. Everything is found again by its tags, and repeated by its token.
 */
export function awsPublisher(
  target: AwsTarget & { readonly name: string },
  ports: AwsPublisherPorts,
): Promise<Publisher<AwsState>> {
  const { callDeadlineMs: deadlineMs, storeRoot, now } = ports;
  const caller = awsCaller(ports.api ?? awsClients(ports.env), deadlineMs === undefined ? {} : { deadlineMs });
  const observing: ObservePorts = { target, caller, storeRoot, now };
  const named = { ...observing, name: target.name };
  const builds = new Builds();
  const { smoke, readDisk = rawDisk, uploads = UPLOADS } = ports;
  const runner = stepRunner({
    ...observing,
    target,
    watch: new ImageWatch(caller),
    readDisk,
    smoke,
    uploadLimit: () => new AdaptiveLimit({ ...uploads, least: Math.min(4, uploads.start) }),
    buildOf: (image) => builds.of(image),
  });
  const assertAccount = accountGuard(target.region, caller);
  const withSmoke = { target, smoke: smoke !== undefined };
  const publisher: Publisher<AwsState> = {
    target: target.name,
    kind: "aws",
    observe: async (given, signal) => {
      builds.add(given);
      return observe(given, observing, { signal });
    },
    diff: (given, state) => diff(given, state, withSmoke),
    preflight: (given, state, signal) => {
      const steps = diff(given, state, withSmoke);
      return preflight({ builds: given, state, steps }, { ...observing, target, readDisk }, { signal });
    },
    run: async (step, context) => {
      await assertAccount(step, context.signal);
      return runner.run(kindOf(step), step, context);
    },
    undo: async (step, result, context) => {
      await assertAccount(step, context.signal);
      await runner.undo(kindOf(step), step, { result, context });
    },
    published: (given, signal) => publishedImages(given, named, { signal }),
    garbage: (signal) => garbage(named, { signal }),
    collect: (item, signal) => collectItem(item, observing, signal),
  };
  return Promise.resolve(publisher);
}

/** Asks once whose credentials these are. */
function accountGuard(region: string, caller: AwsCaller): (step: PublishStep, signal: AbortSignal) => Promise<void> {
  let account: Promise<string> | undefined;
  return async (step, signal) => {
    account ??= identityOf(region, caller, { signal }).then((identity) => identity.account);
    const actual = await account.catch((error: unknown) => {
      account = undefined;
      throw error;
    });
    assertSameAccount(step, actual);
  };
}

/** What was observed, to be found again by the images that steps are about. */
class Builds {
  readonly #known: ReleaseBuild[] = [];

  add(builds: readonly ReleaseBuild[]): void {
    this.#known.push(...builds);
  }

  of({ content, template, arch, version }: ImagePlan): ReleaseBuild {
    const build = this.#known.findLast(
      (each) =>
        each.content === content && each.template === template && each.arch === arch && each.version === version,
    );
    if (build) return build;
    throw new KvciError("internal", `${template} ${arch} ${version} was not looked at before`, {
      hint: "Report this.",
    });
  }
}

function kindOf({ kind, id }: PublishStep): AwsStepKind {
  if (isAwsStepKind(kind)) return kind;
  throw new KvciError("publish-stale-plan", `${id}: this version of kvci-build knows no step "${kind}"`, {
    hint: "Make a new plan; a run of another version is rolled back by that version.",
  });
}

/** @throws {KvciError} `publish-denied`: with other credentials, everything would look as if it were gone. */
function assertSameAccount({ inputs, id }: PublishStep, account: string): void {
  const planned = imagePlan.pick({ account: true }).safeParse((inputs as { readonly image?: unknown }).image);
  if (!planned.success || planned.data.account === account) return;
  throw new KvciError(
    "publish-denied",
    `${id} is of the account ${planned.data.account}, and these credentials are of ${account}`,
    {
      hint: "Use the profile of that account (AWS_PROFILE), and run the same command again.",
    },
  );
}
