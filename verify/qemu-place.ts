import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Disposer, withDisposal } from "../src/core/disposal.ts";
import { createOverlay } from "../src/disk/qemu-img.ts";
import { noCloudSeed } from "../src/machine/nocloud.ts";
import { generateKeyPair } from "../src/machine/ssh2-machine.ts";
import type { Hypervisor } from "../src/qemu/boot-request.ts";
import { SshGuest } from "../src/qemu/ssh-guest.ts";
import type { Store } from "../src/store/store.ts";
import { waitForHostKey } from "./console-host-keys.ts";
import type { DiskUnderTest } from "./disk-under-test.ts";
import type { Clone, Place, PlaceContext } from "./place.ts";

export interface QemuPlacePorts {
  readonly hypervisor: Hypervisor;
  /** Gives each clone a folder that is gone with it. */
  readonly temporaryFolder: Store["temporaryFolder"];
  /** Where a clone's console is kept, also when verification fails; an earlier one is replaced. */
  readonly serialLog: (cloneName: string) => string;
  /** Milliseconds for each part of the way in; see `BOOT_MS` and `LOGIN_MS`. Tests shorten them. */
  readonly bootMs?: number;
  readonly loginMs?: number;
}

/** A Debian 12 node takes 1 to 2 minutes under TCG, two at once twice that. Only a guest that hangs gets to wait this long: a dead one is noticed at once. */
const BOOT_MS = 600_000;
/** sshd is up before cloud-init prints the host keys; a busy host may still take its time to log in. */
const LOGIN_MS = 120_000;
/** How often the console is looked at. */
const LOOK_EVERY_MS = 500;

/**
 * Clones as virtual machines on this host. Each boots by firmware from an overlay of its own, gets name, instance and one
 * key for root by a NoCloud seed as any cloud would give them, makes its own host keys, and is trusted by what its console
 * says they are.
 */
export function qemuPlace(ports: QemuPlacePorts): Place {
  return {
    name: "qemu",
    clone: (disk, name, context) => bootClone(ports, disk, { ...context, name }),
  };
}

type CloneContext = PlaceContext & { readonly name: string };

async function bootClone(ports: QemuPlacePorts, disk: DiskUnderTest, context: CloneContext): Promise<Clone> {
  // What was made so far goes when the clone does not come up; a clone that does takes it along.
  return withDisposal(new Disposer(), async (rollback) => {
    const guest = await bootGuest(ports, disk, { ...context, rollback });
    const resources = rollback.move();
    return { ...guest, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  });
}

async function bootGuest(
  ports: QemuPlacePorts,
  disk: DiskUnderTest,
  context: CloneContext & { readonly rollback: Disposer },
): Promise<Omit<Clone, typeof Symbol.asyncDispose>> {
  const { name, journal, signal, rollback } = context;
  const serialLog = ports.serialLog(name);
  await rm(serialLog, { force: true });
  const folder = rollback.use(await ports.temporaryFolder(name));
  const overlay = join(folder.path, "overlay.qcow2");
  await createOverlay({ path: overlay, backing: disk.path }, { journal, signal });
  const clientKey = generateKeyPair(`kvci-verify@${name}`);
  const startedMs = performance.now();
  const { arch, memoryMiB, cpus, firmware } = disk;
  const seed = cloneSeed(name, clientKey.publicKey);
  const machine = { arch, memoryMiB, cpus, firmware, disk: overlay, seed };
  const vm = rollback.use(
    await ports.hypervisor.boot({ ...machine, workDir: folder.path, serialLog, signal }, journal),
  );
  const wait = { serialLog, timeoutMs: ports.bootMs ?? BOOT_MS, intervalMs: LOOK_EVERY_MS, died: vm.died, signal };
  const hostKey = await waitForHostKey(wait);
  const access = { username: "root", privateKey: clientKey.privateKey, hostKey };
  const guest = rollback.use(await SshGuest.await(vm, { access, timeoutMs: ports.loginMs ?? LOGIN_MS, signal }));
  const bootMs = performance.now() - startedMs;
  journal.emit({ type: "guest-ready", afterMs: Math.round(bootMs), address: `127.0.0.1:${String(vm.sshPort)}` });
  return { name, machine: guest, bootMs, serialLog };
}

/**
 * Gives the clone what a cloud gives: instance, name and a key for root. Nothing may hide what came with the disk, so no user is
 * made or locked (`users` with an entry for root would lock root's password), and host keys that are there stay.
 */
function cloneSeed(name: string, publicKey: string): Uint8Array {
  return noCloudSeed({
    instanceId: `kvci-verify-${randomBytes(8).toString("hex")}`,
    hostname: name,
    userData: { disable_root: false, users: [], ssh_authorized_keys: [publicKey], ssh_deletekeys: false },
  });
}
