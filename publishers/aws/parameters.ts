import { KvciError } from "../../src/core/error.ts";
import type { AwsTarget } from "../../src/core/target.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { releaseName } from "../../src/publish/release-name.ts";

/** Paths of the SSM parameters of a build: of its version, and of the newest. */
export interface ParameterNames {
  readonly version: string;
  readonly latest: string;
}

/** What SSM says of a parameter that holds the id of an image; it checks that there is one. */
export const IMAGE_TYPE = "aws:ec2:image";

/** See PutParameter, Name. */
const PATH = /^\/[\w./-]+$/;

/** @throws {KvciError} `environment-invalid` @returns nothing for a target without parameters. */
export function parameterNames(
  build: Pick<ReleaseBuild, "template" | "version" | "arch">,
  { ssmPrefix }: AwsTarget,
): ParameterNames | undefined {
  if (ssmPrefix === undefined) return undefined;
  const prefix = releaseName(ssmPrefix, build).replace(/\/+$/, "");
  const version = `${prefix}/${build.version}/${build.arch}`;
  if (PATH.test(version)) return { version, latest: `${prefix}/latest/${build.arch}` };
  throw new KvciError("environment-invalid", `"${version}" is no name for an SSM parameter`, {
    hint: "Use letters, digits, dots, dashes, underscores and slashes in ssmPrefix and --release.",
  });
}

/** @throws {KvciError} `environment-invalid` when two builds would have one parameter. */
export function assertDistinctParameters(builds: readonly ReleaseBuild[], target: AwsTarget): void {
  const owners = new Map<string, string>();
  for (const build of builds) {
    const name = parameterNames(build, target)?.latest;
    if (name === undefined) continue;
    const other = owners.get(name);
    if (other !== undefined) {
      throw new KvciError(
        "environment-invalid",
        `${other} and ${build.template} would both have the parameter ${name}`,
        {
          hint: 'Put the template into ssmPrefix: "/kubevirt/{template}".',
        },
      );
    }
    owners.set(name, build.template);
  }
}
