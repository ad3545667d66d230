import type { Accelerator, BootRequest } from "./boot-request.ts";

/*
 * QEMU's emulator translates code once for every virtual address it runs at. With addresses chosen anew for every process, each
 * `execve` has its program and libraries translated again: 43 ms against 12 ms for /bin/true, 75 s against 43 s for a boot of
 * Debian 12 (QEMU 7.2, measured one after the other). So emulated guests keep one layout for as long as they run; nothing of it is
 * on their disks. Under KVM nothing is translated, and nothing is changed.
 */

/** For a kernel that we start: see `norandmaps` in the kernel's admin-guide/kernel-parameters. */
export const FIXED_LAYOUT_ARGUMENT = "norandmaps";

/** For a guest that starts its own kernel: read by systemd-sysctl(8) from version 252 on. */
const FIXED_LAYOUT_CREDENTIAL = { "sysctl.extra": "kernel.randomize_va_space=0\n" } as const;

/** The request with what has an emulated guest keep one layout; a kernel that we start has it among its arguments. */
export function withFixedLayout(request: BootRequest, accelerator: Accelerator["name"]): BootRequest {
  if (accelerator === "kvm" || request.directBoot) return request;
  return { ...request, credentials: { ...FIXED_LAYOUT_CREDENTIAL, ...request.credentials } };
}
