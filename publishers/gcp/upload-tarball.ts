import { KvciError } from "../../src/core/error.ts";
import { statusBehind } from "../../src/gcp/gcp-errors.ts";
import type { StoredObject } from "../../src/gcp/storage.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { StepResult } from "../../src/publish/step.ts";
import { objectMetadata, type ImagePlan } from "./image-plan.ts";
import { extentsOf, keepChecksum, knownChecksum, type Checksum } from "./packed-disk.ts";
import type { StepHandler, StepPorts } from "./step-handler.ts";
import { tarball, type TarballSource } from "./tarball.ts";
import { checksumOf, uploadChunks } from "./upload-chunks.ts";

/** Sends the disk's tarball to the bucket, or takes the one that is there; either way its checksum is that of bytes made here. */
export function uploadTarball(ports: StepPorts): StepHandler<"upload-tarball"> {
  return {
    run: async ({ step, inputs: { image } }, context) => {
      const upload = new Upload({ image, sessionKey: `${step.id}/session` }, ports, context);
      return upload.run();
    },
    undo: async ({ step, inputs: { image } }, _result, context) => {
      const storage = ports.storage(context.signal);
      const session = sessionIn(context, `${step.id}/session`);
      if (session !== undefined) await storage.endSession(session);
      await context.remember(`${step.id}/session`, null);
      const object = await storage.object(image.upload);
      if (object) await storage.deleteObject(object.name, object.generation);
    },
  };
}

function sessionIn({ recall }: PublishContext, key: string): string | undefined {
  const known = recall(key);
  return typeof known === "string" ? known : undefined;
}

class Upload {
  readonly #image: ImagePlan;
  readonly #sessionKey: string;
  readonly #ports: StepPorts;
  readonly #context: PublishContext;

  constructor(
    { image, sessionKey }: { readonly image: ImagePlan; readonly sessionKey: string },
    ports: StepPorts,
    context: PublishContext,
  ) {
    this.#image = image;
    this.#sessionKey = sessionKey;
    this.#ports = ports;
    this.#context = context;
  }

  async run(): Promise<StepResult> {
    const storage = this.#ports.storage(this.#context.signal);
    const there = await storage.object(this.#image.upload);
    const object = there ?? (await this.#send());
    await this.#check(object);
    await this.#context.remember(this.#sessionKey, null);
    return {
      generation: object.generation,
      crc32c: object.crc32c,
      bytes: Number(object.size),
      sent: there === undefined,
    };
  }

  async #source(): Promise<TarballSource> {
    const { readDisk, storeRoot, buildOf, workers } = this.#ports;
    const { signal, journal } = this.#context;
    const { content, virtualBytes } = this.#image;
    const { diskPath } = buildOf(this.#image);
    const read = (): AsyncIterable<Uint8Array> => readDisk(diskPath, { signal, journal });
    const extents = await extentsOf({ storeRoot, content }, read);
    return { read, extents, content, virtualBytes, ...(workers === undefined ? {} : { workers }) };
  }

  async #send(): Promise<StoredObject> {
    const { storageOnce, storage, storeRoot, pace } = this.#ports;
    const { remember, signal, journal } = this.#context;
    const { content, upload: name } = this.#image;
    const source = await this.#source();
    const known = await knownChecksum(storeRoot, content);
    const totalBytes = known?.bytes ?? source.extents.reduce((sum, { bytes }) => sum + bytes, 0);
    const begin = async (): Promise<string> => {
      const metadata = objectMetadata(this.#image);
      const session = await storage(signal).startSession({ name, contentType: "application/gzip", metadata });
      await remember(this.#sessionKey, session);
      return session;
    };
    try {
      return await uploadChunks({
        storage: storageOnce(signal),
        session: sessionIn(this.#context, this.#sessionKey),
        startSession: begin,
        bytes: () => tarball(source),
        onChecksum: (checksum) => keepChecksum({ storeRoot, content }, checksum),
        onProgress: (doneBytes) => {
          journal.emit({
            type: "transfer",
            name: `upload ${name}`,
            doneBytes: Math.min(doneBytes, totalBytes),
            totalBytes,
          });
        },
        pace,
        signal,
      });
    } catch (error) {
      return await this.#afterFailure(error);
    }
  }

  /** Another run may have finished the same object first. */
  async #afterFailure(error: unknown): Promise<StoredObject> {
    const { storage } = this.#ports;
    const { signal, remember } = this.#context;
    const session = sessionIn(this.#context, this.#sessionKey);
    if (error instanceof KvciError && error.code === "publish-integrity" && session !== undefined) {
      await storage(signal).endSession(session);
      await remember(this.#sessionKey, null);
    }
    const object = statusBehind(error) === 412 ? await storage(signal).object(this.#image.upload) : undefined;
    if (object) return object;
    throw error;
  }

  /** What arrived is what was made here; anything else is removed, and never gone on with. */
  async #check(object: StoredObject): Promise<void> {
    const expected = await this.#expected();
    if (object.crc32c === expected.crc32c && Number(object.size) === expected.bytes) return;
    const { signal, remember } = this.#context;
    await this.#ports.storage(signal).deleteObject(object.name, object.generation);
    await remember(this.#sessionKey, null);
    throw new KvciError(
      "publish-integrity",
      `gs://${object.bucket}/${object.name} is not what was sent; it was removed`,
      {
        hint: "Run the same command again; should it come back, look at this host's memory and network.",
        evidence: [
          `made here: crc32c ${expected.crc32c}, ${expected.bytes} bytes`,
          `there: crc32c ${object.crc32c}, ${object.size} bytes, generation ${object.generation}`,
        ],
      },
    );
  }

  async #expected(): Promise<Checksum> {
    const { storeRoot } = this.#ports;
    const { content } = this.#image;
    const known = await knownChecksum(storeRoot, content);
    if (known) return known;
    const checksum = await checksumOf(tarball(await this.#source()));
    await keepChecksum({ storeRoot, content }, checksum);
    return checksum;
  }
}
