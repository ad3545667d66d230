import assert from "node:assert/strict";
import { imageLoader } from "../../../builders/qemu/image-loader.ts";
import { FINISH, IMPORT_STATUS, READ_DATABASES, RUNTIMES, UNPACK_STORE } from "../../../builders/qemu/image-scripts.ts";
import type { ContainerdFiles, ImageDisk } from "../../../src/core/builder.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { KvciError } from "../../../src/core/error.ts";
import type { PlannedLoadImages } from "../../../src/core/op.ts";
import type { ExecOptions, ExecResult, Guest } from "../../../src/machine/machine.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";
import { FakeVm } from "../../src/qemu/fake-vm.ts";

const PAUSE = { ref: "registry.example/pause:3.10", digest: sha256("index"), manifest: sha256("manifest") };
const BY_DIGEST = `registry.example/pause@${PAUSE.digest}`;

/** A guest with a container runtime, as the loader's scripts see it. */
class RuntimeGuest implements Guest {
  readonly done: string[] = [];
  readonly imported: string[] = [];
  /** What the guest prints of containerd's databases; nothing where another snapshotter is configured. */
  databases = "database\nbWV0YQ==\ndatabase\n";
  readStatus = 0;
  importStatus = 0;
  listStatus = 0;
  finishStatus = 0;
  /** What `crictl images -o json` says; undefined where there is none. */
  cri: unknown;
  listing = "";

  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const script = argv[2] ?? "";
    if (script === FINISH) return this.#did("finish", this.finishStatus);
    if (script === READ_DATABASES) return this.#printed(options, this.databases, this.#did("read", this.readStatus));
    if (script.includes("images -o json")) return this.#crictl(options);
    const isListing = [RUNTIMES.containerd.listing, RUNTIMES["cri-o"].listing].includes(script);
    if (isListing) return this.#printed(options, this.listing, this.#did("list", this.listStatus));
    return this.#brought(script, options);
  }

  #printed({ onOutput }: ExecOptions, text: string, result: ExecResult): ExecResult {
    onOutput?.("stdout", text);
    return result;
  }

  #brought(script: string, { stdin }: ExecOptions): ExecResult {
    const names = typeof stdin === "string" ? stdin : "";
    this.imported.push(...names.trim().split("\n"));
    return this.#did(script.endsWith(UNPACK_STORE) ? "unpack" : "import", this.importStatus);
  }

  #crictl({ onOutput }: ExecOptions): ExecResult {
    if (this.cri === undefined) return this.#did("crictl", IMPORT_STATUS.noRuntime);
    onOutput?.("stdout", JSON.stringify(this.cri));
    return this.#did("crictl");
  }

  #did(what: string, exitCode = 0): ExecResult {
    this.done.push(what);
    return { exitCode, stdout: "", stderr: exitCode === 0 ? "" : "its own words" };
  }

  async reboot(): Promise<void> {}
  async shutdown(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

describe("image loader", () => {
  let guest: RuntimeGuest;
  let vm: FakeVm;
  let disposed: number;
  /** What the disk was asked for with. */
  let asked: (ContainerdFiles | undefined)[];
  let form: ImageDisk["form"];

  beforeEach(() => {
    [guest, vm, disposed] = [new RuntimeGuest(), new FakeVm(), 0];
    [asked, form] = [[], "archive"];
  });

  const load = (runtime: PlannedLoadImages["runtime"] = "containerd"): Promise<void> =>
    imageLoader({
      vm: () => vm,
      imageDisk: async (_images, _journal, containerd) => {
        asked.push(containerd);
        const dispose = async (): Promise<void> => void (disposed += 1);
        return { path: "/tmp/images.tar", bytes: 512, form, [Symbol.asyncDispose]: dispose };
      },
      arch: "amd64",
      journal: new RecordingJournal(),
      listedMs: 0,
      signal: new AbortController().signal,
    })(guest, { kind: "load-images", runtime, images: [PAUSE] });

  it("attaches the disk for the import, asks the runtime what it has, and takes all away again", async () => {
    guest.listing = `${PAUSE.ref} ${PAUSE.digest}\n${BY_DIGEST} ${PAUSE.digest}\n`;
    await load();
    assert.deepEqual(guest.done, ["read", "import", "crictl", "list", "finish"]);
    assert.deepEqual(guest.imported, [
      `${PAUSE.ref} ${PAUSE.digest} ${PAUSE.manifest}`,
      `${BY_DIGEST} ${PAUSE.digest} ${PAUSE.manifest}`,
    ]);
    assert.deepEqual(vm.names, ["blockdev-add", "device_add", "device_del", "blockdev-del"]);
    assert.equal(disposed, 1);
  });

  it("has containerd's store unpacked that was written with the databases that it has", async () => {
    form = "containerd";
    guest.cri = { images: [{ id: "1", repoTags: [PAUSE.ref], repoDigests: [BY_DIGEST] }] };
    await load();
    assert.deepEqual(guest.done, ["read", "unpack", "crictl", "finish"]);
    assert.deepEqual(asked, [{ metadata: Buffer.from("meta"), snapshots: Buffer.alloc(0) }]);
  });

  it("has containerd import where its snapshots are no folders", async () => {
    guest.databases = "";
    guest.listing = `${PAUSE.ref} ${PAUSE.digest}\n${BY_DIGEST} ${PAUSE.digest}\n`;
    await load();
    assert.deepEqual([guest.done[1], asked], ["import", [undefined]]);
  });

  it("asks again while a runtime that has just started refuses to answer, and leaves it as it was when it never does", async () => {
    guest.listStatus = 1;
    await assert.rejects(load(), { code: "command-failed", message: /^ctr exited 1/ });
    assert.equal(guest.done.at(-1), "finish");
  });

  it("needs a containerd to fill the store of", async () => {
    guest.readStatus = IMPORT_STATUS.noRuntime;
    await assert.rejects(load(), { code: "command-failed", message: /nothing to import images with/ });
    assert.deepEqual(asked, []);
  });

  it("gives CRI-O the name by tag alone, which brings that by digest", async () => {
    guest.listing = `${PAUSE.ref} ${PAUSE.manifest}\n${BY_DIGEST} ${PAUSE.digest}\n`;
    await load("cri-o");
    assert.deepEqual(guest.imported, [`${PAUSE.ref} ${PAUSE.digest} ${PAUSE.manifest}`]);
  });

  it("believes crictl, where it is, rather than the runtime's own tool", async () => {
    guest.cri = { images: [{ id: "1", repoTags: [PAUSE.ref], repoDigests: [BY_DIGEST] }] };
    await load();
    assert.deepEqual(guest.done, ["read", "import", "crictl", "finish"]);
  });

  it("names what is listed by another digest or not at all", async () => {
    guest.listing = `${PAUSE.ref} ${sha256("other")}\n`;
    const error: unknown = await load().catch((reason: unknown) => reason);
    assert.ok(error instanceof KvciError && error.code === "image-missing");
    assert.ok(error.message.includes(PAUSE.ref) && error.message.includes(PAUSE.digest));
    assert.deepEqual(error.evidence, [`${PAUSE.ref}: ${sha256("other")}`, `${BY_DIGEST}: not listed`]);
    assert.equal(guest.done.at(-1), "finish");
    assert.equal(vm.names.at(-1), "blockdev-del");
  });

  it("fails when the guest could not be left as it was found", async () => {
    guest.listing = `${PAUSE.ref} ${PAUSE.digest}\n${BY_DIGEST} ${PAUSE.digest}\n`;
    guest.finishStatus = 1;
    await assert.rejects(load(), { code: "command-failed", message: /^containerd\.service could not be left/ });
    assert.equal(vm.names.at(-1), "blockdev-del");
  });

  it("says why an import failed, with what the guest said, and cleans up", async () => {
    const reasons: [number, RegExp][] = [
      [IMPORT_STATUS.noDisk, /does not see the disk/],
      [IMPORT_STATUS.noRuntime, /nothing to import images with/],
      [IMPORT_STATUS.notStarted, /could not be started/],
      [IMPORT_STATUS.noAnswer, /did not answer/],
      [1, /exited 1$/],
    ];
    for (const [status, message] of reasons) {
      guest = new RuntimeGuest();
      guest.importStatus = status;
      await assert.rejects(load(), { code: "command-failed", message, evidence: ["its own words"] });
      assert.deepEqual(guest.done, ["read", "import", "finish"]);
    }
    assert.equal(disposed, reasons.length);
  });
});
