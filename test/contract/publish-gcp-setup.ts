import { readFile } from "node:fs/promises";
import { z } from "zod";
import { gcpPublisher } from "../../publishers/gcp/gcp-publisher.ts";
import type { GcpState } from "../../publishers/gcp/state.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { AnyPublisher } from "../../src/publish/plan.ts";
import type { Publisher, ReleaseBuild } from "../../src/publish/publisher.ts";
import { gcpTarget } from "../publishers/gcp/gcp-target.ts";
import type { DriverSetup } from "./publish-driver.ts";

const inputSchema = z.object({
  /** Of the counterpart. */
  env: z.record(z.string(), z.string()),
  /** Path of the builds, as JSON. */
  builds: z.string(),
  /** Of the release: tells its image, family and files from those of others. */
  template: z.string(),
  storeRoot: z.string(),
});
export type GcpSetup = z.output<typeof inputSchema>;

/** Public in every way there is: image, family, release file; tested by a boot that takes no time. */
export function releasePublisher({
  env,
  storeRoot,
}: Pick<GcpSetup, "env" | "storeRoot">): Promise<Publisher<GcpState>> {
  const target = gcpTarget({
    public: true,
    family: "{template}-{arch}",
    export: { object: "release/{template}-{version}-{arch}.tar.gz", public: true },
    smokeZone: "us-central1-b",
  });
  return gcpPublisher(target, {
    env,
    storeRoot,
    now: Date.now,
    smoke: () => Promise.resolve({ suite: "boot", checks: 3 }),
    pace: { baseMs: 5, deadlineMs: 20_000 },
    pollMs: 5,
    workers: 1,
  });
}

export async function releaseBuilds({ builds, template }: Pick<GcpSetup, "builds" | "template">) {
  const all = JSON.parse(await readFile(builds, "utf8")) as readonly ReleaseBuild[];
  return all.map((build) => ({ ...build, template }));
}

/** For the driver: a project as target, and builds that lie in a file. */
export async function setup(input: JsonValue): Promise<DriverSetup> {
  const given = inputSchema.parse(input);
  const publisher = (await releasePublisher(given)) as unknown as AnyPublisher;
  return { publishers: [publisher], builds: await releaseBuilds(given) };
}
