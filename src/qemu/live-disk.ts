import { withPausedGuest } from "./pause.ts";
import type { VirtualMachine } from "./boot-request.ts";

/** How disks of a build are opened: what the arguments say of the first one, in the words of QMP. */
const OVERLAY_OPTIONS = {
  driver: "qcow2",
  // Set when the snapshot is taken; the file's own header names it too, for whoever opens it later.
  backing: null,
  discard: "unmap",
  "detect-zeroes": "unmap",
  cache: { direct: false, "no-flush": true },
} as const;

/**
 * Lets a running machine go on in `overlay`, an empty qcow2 whose header already names its backing file: what it wrote so far is
 * flushed to the file it leaves, which nobody writes any more. The machine stands still meanwhile, a few milliseconds, and for
 * as long as `whilePaused` takes.
 *
 * `blockdev-snapshot` does what `blockdev-snapshot-sync` does, on a node that was added with all its options: the latter opens
 * the overlay without `detect-zeroes`.
 *
 * @throws {KvciError} `guest-died` with QEMU's words
 */
export async function switchToOverlay(
  vm: VirtualMachine,
  { from, node, overlay }: { readonly from: string; readonly node: string; readonly overlay: string },
  whilePaused: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const file = { driver: "file", filename: overlay, discard: "unmap", cache: OVERLAY_OPTIONS.cache };
  await vm.qmp("blockdev-add", { ...OVERLAY_OPTIONS, "node-name": node, file });
  await withPausedGuest(vm, async () => {
    await vm.qmp("blockdev-snapshot", { node: from, overlay: node });
    await whilePaused();
  });
}
