import { readFile } from "node:fs/promises";
import { z } from "zod";
import { targetSchema, type AwsTarget } from "../../src/core/target.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { awsPublisher } from "../../publishers/aws/aws-publisher.ts";
import type { DriverSetup } from "./publish-driver.ts";

const inputSchema = z.object({
  /** Where the counterpart is, and who we are to it. */
  env: z.record(z.string(), z.string()),
  target: z.record(z.string(), z.unknown()),
  /** File with the builds, as JSON. */
  builds: z.string(),
  storeRoot: z.string(),
});
export type AwsSetup = z.input<typeof inputSchema>;

/** For the driver: one account as target, with a boot test that always passes, and builds that lie in a file. */
export async function setup(input: JsonValue): Promise<DriverSetup> {
  const { env, target, builds, storeRoot } = inputSchema.parse(input);
  const declared = targetSchema.parse({ kind: "aws", ...target }) as AwsTarget;
  const ports = { env, storeRoot, now: Date.now, smoke: () => Promise.resolve({ checks: 1 }) };
  const publisher = await awsPublisher(declared, { ...ports, callDeadlineMs: 20_000 });
  return { publishers: [publisher], builds: JSON.parse(await readFile(builds, "utf8")) as ReleaseBuild[] };
}
