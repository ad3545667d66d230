import type { VirtualMachine } from "./boot-request.ts";

/** Stops the guest's processors while `work` runs. They go on however it ends; a machine that is gone stays so. */
export async function withPausedGuest<T>(vm: VirtualMachine, work: () => Promise<T>): Promise<T> {
  await vm.qmp("stop");
  try {
    return await work();
  } finally {
    if (!vm.ended) await vm.qmp("cont");
  }
}
