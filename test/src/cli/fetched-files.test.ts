import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { fetchedFiles, type FetchingOptions } from "../../../src/cli/fetched-files.ts";
import { sourceDigest } from "../../../src/core/describe-op.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import { EMPTY_LOCK } from "../../../src/core/lock.ts";
import type { ManifestEdit, PlannedFetchIn } from "../../../src/core/op.ts";
import { fetchIn, fetchManifest } from "../../../src/core/op-makers.ts";
import type { Plan } from "../../../src/core/plan.ts";
import { defineStep } from "../../../src/core/step.ts";
import { folderStore } from "../../fakes/folder-store.ts";
import { ImageMirror } from "../../fakes/image-mirror.ts";
import { plan } from "../core/arbitraries.ts";

const FILE = "https://files.example/crictl.tgz";
const MANIFEST = "https://files.example/flannel.yaml";
const YAML = "# kept\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cfg\ndata:\n  net: 10.244.0.0/16\n";
const edit: ManifestEdit = { object: { kind: "ConfigMap", name: "cfg" }, path: ["data", "net"], value: "10.1.0.0/16" };

function planOf(edits: readonly ManifestEdit[] = [edit]): Plan {
  const resolvedAt = "2026-01-01T00:00:00.000Z";
  const lock = {
    ...EMPTY_LOCK,
    files: { [FILE]: { digest: sha256("tar"), bytes: 3, resolvedAt } },
    manifests: { [MANIFEST]: { digest: sha256(YAML), bytes: YAML.length, images: [], resolvedAt } },
  };
  const ops = [
    fetchIn(FILE, "/opt/crictl"),
    fetchManifest(MANIFEST, "/opt/a.yaml"),
    fetchManifest(MANIFEST, "/opt/b.yaml", edits),
  ];
  return plan({ steps: [defineStep("files", ops)] }, { lock });
}

function opAt({ disk }: Plan, path: string): PlannedFetchIn {
  const found = disk.steps.flatMap(({ ops }) => ops).find((op) => op.kind === "fetch-in" && op.path === path);
  return found as PlannedFetchIn;
}

describe("files that a build fetches", () => {
  let store: Awaited<ReturnType<typeof folderStore>>;
  let server: ImageMirror;
  let pinned: string[];
  beforeEach(async () => {
    store = await folderStore();
    pinned = [];
    server = await ImageMirror.start({ "/x/files.example/crictl.tgz": "tar", "/x/files.example/flannel.yaml": YAML });
  });
  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function options(changes: Partial<FetchingOptions> = {}): FetchingOptions {
    const environment = { mirrors: {}, baseUrl: server.url("/x") };
    const pin = async (items: readonly string[]): Promise<void> => void pinned.push(...items);
    return { store, environment, journal: silentJournal, signal: new AbortController().signal, pin, ...changes };
  }

  it("are in the store by the lock's digests, manifests with their edits", async () => {
    const made = planOf();
    const files = await fetchedFiles(made, options());
    const textOf = async (path: string): Promise<string> =>
      readFile(files.get(sourceDigest(opAt(made, path)))?.absolutePath ?? "", "utf8");
    assert.equal(files.size, 3);
    assert.equal(await textOf("/opt/crictl"), "tar");
    assert.equal(await textOf("/opt/a.yaml"), YAML);
    assert.equal(await textOf("/opt/b.yaml"), YAML.replace("244", "1"));
    for (const { absolutePath, digest, bytes } of files.values()) {
      const content = await readFile(absolutePath);
      assert.deepEqual([sha256(content), content.length], [digest, bytes]);
      assert.ok(pinned.includes(`blobs/${digest.replace(":", "/")}`));
    }
  });

  it("are fetched once", async () => {
    await fetchedFiles(planOf(), options());
    const before = server.requests.length;
    const files = await fetchedFiles(planOf(), options());
    assert.deepEqual([server.requests.length, files.size], [before, 3]);
  });

  it("are fetched again where the store's are damaged", async () => {
    await fetchedFiles(planOf(), options());
    await writeFile(store.blobPath(sha256("tar")), "bad", { flag: "w", mode: 0o644 });
    await fetchedFiles(planOf(), options());
    assert.equal(await readFile(store.blobPath(sha256("tar")), "utf8"), "tar");
  });

  it("that are others than the lock has are an error naming the URL", async () => {
    server.files.set("/x/files.example/crictl.tgz", Buffer.from("other"));
    await assert.rejects(fetchedFiles(planOf(), options()), {
      code: "digest-mismatch",
      message: `${FILE}: ${server.url("/x/files.example/crictl.tgz")} does not have the digest it should have`,
    });
    assert.equal(await store.hasBlob(sha256("other")), false);
  });

  it("that cannot be had are an error naming the URL", async () => {
    server.files.delete("/x/files.example/flannel.yaml");
    await assert.rejects(fetchedFiles(planOf(), options()), {
      code: "download-failed",
      message: `${MANIFEST}: no mirror delivered ${server.url("/x/files.example/flannel.yaml")}`,
    });
  });

  it("with an edit that does not fit are an error naming the manifest", async () => {
    const misfit = { ...edit, object: { kind: "DaemonSet", name: "flannel" } };
    await assert.rejects(fetchedFiles(planOf([misfit]), options()), {
      code: "manifest-invalid",
      message: `${MANIFEST} has no DaemonSet "flannel" to edit`,
    });
  });

  it("are none for a plan that fetches none", async () => {
    assert.equal((await fetchedFiles(plan(), options())).size, 0);
    assert.deepEqual(pinned, []);
  });
});
