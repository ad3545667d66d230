import { KvciError } from "../../src/core/error.ts";
import { statusBehind } from "../../src/gcp/gcp-errors.ts";
import type { Storage, StoredObject } from "../../src/gcp/storage.ts";
import type { StepResult } from "../../src/publish/step.ts";
import { taken } from "./diff.ts";
import { objectMetadata, type ImagePlan } from "./image-plan.ts";
import { EVERYONE, isReadByAll } from "./state.ts";
import { nothingToUndo, type StepHandler, type StepPorts } from "./step-handler.ts";

/** Keeps the tarball as a release file, private; copied inside the service. */
export function copyExport({ storage }: StepPorts): StepHandler<"copy-export"> {
  return {
    run: async ({ inputs: { image } }, { signal }) => keepCopy(image, storage(signal)),
    undo: async ({ inputs: { image } }, result, { signal }) => {
      if (result?.["created"] === false) return;
      const object = await storage(signal).object(exportOf(image));
      const isOurs = object?.metadata["kvci-content"] === image.content;
      if (object && isOurs) await storage(signal).deleteObject(object.name, object.generation);
    },
  };
}

async function keepCopy(image: ImagePlan, storage: Storage): Promise<StepResult> {
  const name = exportOf(image);
  const there = await storage.object(name);
  if (there) return adopted(there, image);
  const source = await storage.object(image.upload);
  if (!source) throw missing(`gs://${image.bucket}/${image.upload}`);
  try {
    const target = { name, contentType: "application/gzip", metadata: objectMetadata(image) };
    const copy = await storage.copyObject(source, target);
    if (copy.crc32c !== source.crc32c) throw spoilt(copy, source);
    return resultOf(copy, true);
  } catch (error) {
    const raced = statusBehind(error) === 412 ? await storage.object(name) : undefined;
    if (raced) return adopted(raced, image);
    throw error;
  }
}

function adopted(object: StoredObject, image: ImagePlan): StepResult {
  const has = object.metadata["kvci-content"] ?? null;
  if (has === image.content) return resultOf(object, false);
  throw taken(`the object gs://${object.bucket}/${object.name}`, { wanted: image.content, has });
}

function resultOf({ name, generation, crc32c }: StoredObject, created: boolean): StepResult {
  return { object: name, generation, crc32c, created };
}

/** Lets everybody read the release file. */
export function shareExport({ storage }: StepPorts): StepHandler<"share-export"> {
  return {
    run: async ({ inputs: { image } }, { signal }) => {
      const object = await storage(signal).object(exportOf(image));
      if (!object) throw missing(`gs://${image.bucket}/${exportOf(image)}`);
      const shared = isReadByAll(object);
      if (!shared) await storage(signal).grantRead(object.name, EVERYONE);
      return { object: object.name, granted: !shared };
    },
    undo: async ({ inputs: { image } }, result, { signal }) => {
      if (result?.["granted"] !== false) await storage(signal).revokeRead(exportOf(image), EVERYONE);
    },
  };
}

/** Removes the upload when the image, and the release file, were made from it. */
export function dropUpload({ storage }: StepPorts): StepHandler<"drop-upload"> {
  return {
    run: async ({ inputs: { image } }, { signal }) => {
      const object = await storage(signal).object(image.upload);
      if (object) await storage(signal).deleteObject(object.name, object.generation);
      return { object: image.upload, removed: object !== undefined };
    },
    undo: nothingToUndo,
  };
}

function exportOf(image: ImagePlan): string {
  return image.export?.object ?? "";
}

function missing(what: string): KvciError {
  return new KvciError("publish-failed", `${what} is gone`, {
    hint: "Somebody removed it; make a new plan, which uploads it again.",
  });
}

function spoilt(copy: StoredObject, source: StoredObject): KvciError {
  return new KvciError("publish-integrity", `gs://${copy.bucket}/${copy.name} is not what it was copied from`, {
    hint: "Remove it, and run the same command again.",
    evidence: [`source: crc32c ${source.crc32c}`, `copy: crc32c ${copy.crc32c}`],
  });
}
