/**
 * What runs behind the instances of cloud counterparts: QEMU, with the very bytes that were published as its disk. Instance data
 * reaches it as a NoCloud seed, where a cloud has a metadata server for it.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostHypervisor } from "../../src/cli/hypervisor.ts";
import { Disposer, disposedOnError, withDisposal } from "../../src/core/disposal.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { createOverlay } from "../../src/disk/qemu-img.ts";
import { isoImage } from "../../src/machine/iso9660.ts";
import type { VirtualMachine } from "../../src/qemu/boot-request.ts";

export interface CloudInstance {
  /** Of its image: instances of one image share the bytes. */
  readonly image: string;
  readonly disk: () => AsyncIterable<Uint8Array>;
  readonly virtualBytes: number;
  readonly instanceId: string;
  readonly userData: string;
  readonly publicKeys: readonly string[];
}

export interface CloudMachine extends AsyncDisposable {
  /** On the loopback; SSH answers there on the port of all machines. */
  readonly address: string;
  console(): string;
}

const { signal } = new AbortController();
const SEARCH = { path: process.env["PATH"] ?? "", toolsFolder: join(import.meta.dirname, "../../.kvci/tools/bin") };

export class CloudMachines implements AsyncDisposable {
  /** Where SSH answers, at every machine's address. */
  readonly sshPort: number;
  readonly #folder: string;
  readonly #disks = new Map<string, Promise<string>>();
  #count = 0;

  private constructor(folder: string, sshPort: number) {
    this.#folder = folder;
    this.sshPort = sshPort;
  }

  static async start(): Promise<CloudMachines> {
    const probe = await listening(createServer(), "127.0.0.1", 0);
    const { port } = probe.address() as AddressInfo;
    await closed(probe);
    return new CloudMachines(await mkdtemp(join(tmpdir(), "kvci-machines-")), port);
  }

  /** Boots an instance by firmware, from an overlay on its image's disk. */
  async boot(instance: CloudInstance): Promise<CloudMachine> {
    this.#count += 1;
    const address = `127.0.1.${String(this.#count)}`;
    return disposedOnError(new Disposer(), async (open) => {
      const { vm, serialLog } = await this.#machine(instance, open);
      // Whoever waits for the instance notices by itself that it is gone.
      vm.died.catch(() => undefined);
      const forward = createServer((socket) => {
        const guest = connect(vm.sshPort, "127.0.0.1");
        for (const end of [socket, guest]) end.on("error", () => [socket, guest].forEach((each) => each.destroy()));
        socket.pipe(guest).pipe(socket);
      });
      await listening(forward, address, this.sshPort);
      open.use({ [Symbol.asyncDispose]: () => closed(forward) });
      return {
        address,
        console: () => readFileSync(serialLog, "utf8"),
        [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
      };
    });
  }

  async #machine(
    { instanceId, userData, publicKeys, ...image }: CloudInstance,
    open: Disposer,
  ): Promise<{ readonly vm: VirtualMachine; readonly serialLog: string }> {
    const workDir = join(this.#folder, instanceId);
    await mkdir(workDir);
    const overlay = join(workDir, "overlay.qcow2");
    const context = { signal, journal: silentJournal };
    await createOverlay({ path: overlay, backing: await this.#disk(image), backingFormat: "raw" }, context);
    const serialLog = join(workDir, "serial.log");
    await appendFile(serialLog, "");
    const metaData = { "instance-id": instanceId, "local-hostname": instanceId, "public-keys": publicKeys };
    const seed = isoImage("cidata", { "meta-data": `${JSON.stringify(metaData)}\n`, "user-data": userData });
    const machine = { arch: "amd64", memoryMiB: 1024, cpus: 1, firmware: "uefi" } as const;
    const request = { ...machine, disk: overlay, seed, workDir, serialLog, signal };
    return { vm: open.use(await hostHypervisor(SEARCH).boot(request, silentJournal)), serialLog };
  }

  /** Writes an image's disk once, holes as holes. */
  #disk({ image, disk, virtualBytes }: Pick<CloudInstance, "image" | "disk" | "virtualBytes">): Promise<string> {
    const known = this.#disks.get(image);
    if (known) return known;
    const path = join(this.#folder, `${image.replaceAll("/", "-")}.raw`);
    const written = writeSparse(path, disk(), virtualBytes);
    this.#disks.set(image, written);
    return written;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function writeSparse(path: string, disk: AsyncIterable<Uint8Array>, virtualBytes: number): Promise<string> {
  return withDisposal(await open(path, "w"), async (file) => {
    await file.truncate(virtualBytes);
    let at = 0;
    for await (const piece of disk) {
      if (!isZero(piece)) await file.write(piece, 0, piece.length, at);
      at += piece.length;
    }
    if (at !== virtualBytes) throw new RangeError(`${path}: ${String(at)} bytes of ${String(virtualBytes)}`);
    return path;
  });
}

function isZero(piece: Uint8Array): boolean {
  return Buffer.compare(piece, Buffer.alloc(piece.length)) === 0;
}

async function listening(server: Server, host: string, port: number): Promise<Server> {
  server.listen(port, host);
  await once(server, "listening");
  return server;
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}
