import { KvciError } from "../../src/core/error.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import { imageIds, lookupsIn, type Lookups } from "./lookups.ts";
import { permissionChanges, permissionOf, type PermissionChange } from "./permissions.ts";
import { imageOf, unlessGone, VISIBLE_MS, type StepHandler, type StepPorts } from "./step-handler.ts";
import type { AwsStep } from "./step-inputs.ts";

type ShareKind = "share-snapshot" | "share-image";

/** Reads and changes who may use one kind of thing. */
interface Sharing {
  /** Nothing when the thing is gone. */
  read(lookups: Lookups, id: string): Promise<readonly string[] | undefined>;
  change(
    ports: StepPorts,
    id: string,
    change: PermissionChange & { readonly region: string; readonly signal: AbortSignal },
  ): Promise<unknown>;
  /** The thing's id, given the image's. */
  idOf(lookups: Lookups, image: string): Promise<string | null | undefined>;
}

const SHARING: Readonly<Record<ShareKind, Sharing>> = {
  "share-image": {
    read: (lookups, id) => lookups.launchPermissions(id),
    change: ({ caller }, ImageId, { region, signal, grant, revoke }) => {
      const LaunchPermission = { Add: grant.map(permissionOf), Remove: revoke.map(permissionOf) };
      return caller.call(
        { action: "ec2:ModifyImageAttribute", region, input: { ImageId, LaunchPermission: parts(LaunchPermission) } },
        { signal, absentForMs: VISIBLE_MS },
      );
    },
    idOf: (_lookups, image) => Promise.resolve(image),
  },
  "share-snapshot": {
    read: (lookups, id) => lookups.volumePermissions(id),
    change: ({ caller }, SnapshotId, { region, signal, grant, revoke }) => {
      const CreateVolumePermission = { Add: grant.map(permissionOf), Remove: revoke.map(permissionOf) };
      const input = {
        SnapshotId,
        Attribute: "createVolumePermission",
        CreateVolumePermission: parts(CreateVolumePermission),
      } as const;
      return caller.call({ action: "ec2:ModifySnapshotAttribute", region, input }, { signal, absentForMs: VISIBLE_MS });
    },
    idOf: async (lookups, image) => (await lookups.images(imageIds([image])))[0]?.snapshot,
  },
};

/** An empty list is left out: AWS takes it for a mistake. */
function parts<T>({ Add, Remove }: { readonly Add: T[]; readonly Remove: T[] }): { Add?: T[]; Remove?: T[] } {
  return { ...(Add.length > 0 ? { Add } : {}), ...(Remove.length > 0 ? { Remove } : {}) };
}

/** Makes permissions what they are declared to be, and notes what they were. */
export function share<K extends ShareKind>(kind: K, ports: StepPorts): StepHandler<K> {
  return {
    run: async (step: AwsStep<ShareKind>, context) => {
      const image = await imageOf(step, ports, context);
      const lookups = lookupsIn(step.step.place, ports.caller, { signal: context.signal, absentForMs: VISIBLE_MS });
      const id = await SHARING[kind].idOf(lookups, image);
      if (id === null || id === undefined) throw gone(step);
      const former = await SHARING[kind].read(lookups, id);
      if (former === undefined) throw gone(step);
      await change(kind, { ports, context, id, region: step.step.place, from: former, to: step.inputs.wanted });
      return { id, former: [...former] };
    },
    undo: async (step: AwsStep<ShareKind>, result, context) => {
      const region = step.step.place;
      const lookups = lookupsIn(region, ports.caller, { signal: context.signal });
      const id = result?.["id"] ?? (await planned(kind, step, { lookups, ports, context }));
      if (typeof id !== "string") return;
      const now = await SHARING[kind].read(lookups, id);
      if (now === undefined) return;
      const former = (result?.["former"] as readonly string[] | undefined) ?? step.inputs.former;
      await change(kind, { ports, context, id, region, from: now, to: former });
    },
  };
}

async function planned(
  kind: ShareKind,
  step: AwsStep<ShareKind>,
  {
    lookups,
    ports,
    context,
  }: { readonly lookups: Lookups; readonly ports: StepPorts; readonly context: PublishContext },
): Promise<string | null | undefined> {
  // An image that is gone has no permissions to take back.
  const image = await imageOf(step, ports, context).catch(unlessGone);
  return image === undefined ? undefined : SHARING[kind].idOf(lookups, image);
}

async function change(
  kind: ShareKind,
  request: {
    readonly ports: StepPorts;
    readonly context: PublishContext;
    readonly id: string;
    readonly region: string;
    readonly from: readonly string[];
    readonly to: readonly string[];
  },
): Promise<void> {
  const { ports, context, id, region, from, to } = request;
  for (const each of permissionChanges(from, to)) {
    await SHARING[kind].change(ports, id, { ...each, region, signal: context.signal });
  }
}

function gone({ step, inputs }: AwsStep<ShareKind>): KvciError {
  return new KvciError("publish-failed", `"${inputs.image.name}" is gone from ${step.place}`, {
    hint: "Run the same command again: it is made anew.",
  });
}
