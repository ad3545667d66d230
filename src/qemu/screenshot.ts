import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../core/error.ts";
import type { VirtualMachine } from "./boot-request.ts";

/** Drawing a screen takes milliseconds; a QEMU that does not answer by then is stuck. */
const SCREEN_MS = 10_000;

/** Where the picture is, or why there is none. */
export type Screenshot = { readonly path: string } | { readonly none: string };

/**
 * What the machine shows on its screen, as `screen.png` in `folder`; as `screen.ppm` by a QEMU that was built without PNG
 * or is older than 7.1. Never throws.
 *
 * @param timeoutMs milliseconds for each of the two formats.
 */
export async function takeScreenshot(
  vm: Pick<VirtualMachine, "qmp" | "ended">,
  folder: string,
  timeoutMs = SCREEN_MS,
): Promise<Screenshot> {
  if (vm.ended) return { none: "QEMU has ended" };
  const dump = (filename: string, format: object): Promise<Screenshot> =>
    kept(filename, () => within(timeoutMs, vm.qmp("screendump", { filename, ...format })));
  const png = await dump(join(folder, "screen.png"), { format: "png" });
  if ("path" in png || !/png|format/i.test(png.none)) return png;
  return dump(join(folder, "screen.ppm"), {});
}

async function kept(path: string, draw: () => Promise<unknown>): Promise<Screenshot> {
  try {
    await draw();
    if ((await stat(path)).size > 0) return { path };
    return await nothing(path, "QEMU wrote an empty picture");
  } catch (error) {
    return nothing(path, messageOf(error));
  }
}

async function nothing(path: string, none: string): Promise<Screenshot> {
  await rm(path, { force: true });
  return { none };
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  // The answer may come, and be a refusal, when nobody waits any more.
  work.catch(() => undefined);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new DOMException(`QEMU did not answer within ${timeoutMs / 1000} s`, "TimeoutError"));
  }, timeoutMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
