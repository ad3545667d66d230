import type { AwsCaller } from "../../src/aws/aws-caller.ts";
import { lookupsIn, usersOf } from "./lookups.ts";

export interface Where {
  readonly region: string;
  readonly caller: AwsCaller;
  readonly signal: AbortSignal;
}

/** Deregisters an image, and deletes its snapshots unless another image has them. One that is gone is no failure. */
export async function deleteImage(ImageId: string, { region, caller, signal }: Where): Promise<void> {
  const input = { ImageId, DeleteAssociatedSnapshots: true };
  await caller.find({ action: "ec2:DeregisterImage", region, input }, { signal });
}

/** Deletes a snapshot that no image has. @returns whether it is gone. */
export async function deleteSnapshot(SnapshotId: string, { region, caller, signal }: Where): Promise<boolean> {
  const users = await lookupsIn(region, caller, { signal }).images(usersOf(SnapshotId));
  if (users.length > 0) return false;
  const answer = await caller.ask(
    { action: "ec2:DeleteSnapshot", region, input: { SnapshotId } },
    { signal, isExpected: ({ code }) => code === "InvalidSnapshot.NotFound" || code === "InvalidSnapshot.InUse" },
  );
  return "output" in answer || answer.failure.code === "InvalidSnapshot.NotFound";
}
