import assert from "node:assert/strict";
import type { BootRequest } from "../../../src/qemu/boot-request.ts";
import { withFixedLayout } from "../../../src/qemu/fixed-layout.ts";
import { REQUEST } from "./request.ts";

const request: BootRequest = { ...REQUEST, credentials: { "tmpfiles.extra": "keys" } };
const layout = { "sysctl.extra": "kernel.randomize_va_space=0\n" };

describe("the memory layout of a guest", () => {
  it("is one and the same in an emulated guest that boots by firmware", () => {
    assert.deepEqual(withFixedLayout(request, "tcg").credentials, { ...layout, ...request.credentials });
  });

  it("is left to the kernel with KVM, and to its arguments where we start it", () => {
    const directBoot = { kernel: "/k", initrd: "/i", kernelArguments: "root=PARTLABEL=root" };
    assert.equal(withFixedLayout(request, "kvm").credentials, request.credentials);
    assert.equal(withFixedLayout({ ...request, directBoot }, "tcg").credentials, request.credentials);
  });
});
