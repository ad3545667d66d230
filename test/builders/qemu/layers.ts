import type { QemuBuilderPorts, BuildContext } from "../../../builders/qemu/build-context.ts";
import { sha256, type Digest } from "../../../src/core/digest.ts";
import type { Draft, Layer, LayerFacts, LayerStore } from "../../../src/store/layer.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";

/** A layer store that can only do what it is given; whatever else is asked of it fails the test. */
export function fakeLayers(parts: Partial<LayerStore>): LayerStore {
  return parts as LayerStore;
}

export function keyOf(name: string): Digest {
  return sha256(name);
}

export function draftOf(name: string): Draft {
  return { id: name, key: keyOf(name), path: `/store/tmp/run/${name}/layer.qcow2` } as Draft;
}

export function factsOf(step: string): LayerFacts {
  return { step, ops: [], template: "test", durationMs: 1, virtualBytes: 1 };
}

/** A kept layer of a step of that name. */
export function layerOf(name: string): Layer {
  return { ...factsOf(name), id: name, key: keyOf(name), path: `/store/${name}` } as Layer;
}

/** What a part of the builder works with, for steps of these names; ports that are not given fail the test when used. */
export function contextOf(
  steps: readonly string[],
  ports: Partial<QemuBuilderPorts>,
  { signal = new AbortController().signal, layers = true }: { signal?: AbortSignal; layers?: boolean } = {},
): BuildContext & { readonly journal: RecordingJournal } {
  const disk = { bootKey: keyOf("first boot"), steps: steps.map((name) => ({ name, key: keyOf(name), ops: [] })) };
  const cache = { layers, warmStates: true, warmStateBytes: 1024 };
  const request = { plan: { disk, template: "test" }, signal, cache } as unknown as BuildContext["request"];
  return { request, ports: ports as QemuBuilderPorts, journal: new RecordingJournal() };
}
