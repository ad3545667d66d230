import type { BuildRequest } from "../../src/core/builder.ts";
import type { Journal } from "../../src/core/journal.ts";
import type { HostHypervisor } from "../../src/qemu/boot-request.ts";
import type { BootFailed } from "./failed-boot.ts";
import type { LayerStore } from "../../src/store/layer.ts";
import type { Store } from "../../src/store/store.ts";

export interface QemuBuilderPorts {
  readonly hypervisor: HostHypervisor;
  readonly store: Store;
  readonly layers: LayerStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hexadecimal digits from the host's random number generator. */
  readonly entropy: () => string;
  /** Told of a machine that did not come up, while it is still there. */
  readonly bootFailed?: BootFailed | undefined;
  /** Removes the warm states that were used longest ago until they take no more than that many bytes. */
  readonly trimWarmStates: (maxBytes: number) => Promise<void>;
}

/** What everything in one build works with. */
export interface BuildContext {
  readonly request: BuildRequest;
  readonly ports: QemuBuilderPorts;
  readonly journal: Journal;
}

/** The same with another journal, for what happens inside a span. */
export function within(context: BuildContext, journal: Journal): BuildContext {
  return { ...context, journal };
}
