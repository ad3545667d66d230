/**
 * Boots a clone at a counterpart and is then killed, or waits for it: node gce-place-child.ts '{"env": …, "image": …, "run": …,
 * "folder": …}'. Prints a line when the instance is being waited for.
 */
import { join } from "node:path";
import { silentJournal } from "../../src/core/journal.ts";
import { gcpApi } from "../../src/gcp/gcp-api.ts";
import { gcePlace } from "../../verify/gce-place.ts";
import { DISK } from "../verify/fake-clone.ts";

const { env, image, run, folder } = JSON.parse(process.argv[2] ?? "{}") as {
  readonly env: Readonly<Record<string, string>>;
  readonly image: string;
  readonly run: string;
  readonly folder: string;
};
const place = gcePlace({
  api: gcpApi(env, { project: "kvci-project" }),
  project: "kvci-project",
  zone: "us-central1-b",
  image,
  run,
  now: () => Date.now(),
  serialLog: (clone) => join(folder, `child-${clone}.log`),
  pollMs: 20,
});
const { signal } = new AbortController();
await place.clone(DISK, "verify-a", { journal: silentJournal, signal });
