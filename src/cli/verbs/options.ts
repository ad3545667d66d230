import { ARCHES, type Arch } from "../../core/platform.ts";
import { downloadUrl } from "../../core/download-url.ts";
import { InvalidArgumentError, Option } from "./verb.ts";

export function jobsOption(): Option {
  return new Option(
    "-j, --jobs <number>",
    "builds at once, memory permitting (default: one for two processors)",
  ).argParser((value) => {
    const jobs = Number(value);
    if (Number.isInteger(jobs) && jobs > 0) return jobs;
    throw new InvalidArgumentError("Use a whole number above 0.");
  });
}

export function archOption(): Option {
  return new Option(
    "--arch <arch>",
    "architecture of the guest (default: the host's where the template has it)",
  ).argParser(archNamed);
}

/** Several, joined by commas or in several options. */
export function archesOption(description: string): Option {
  return new Option("--arch <arch,...>", description).argParser(
    (value, before: readonly Arch[] | undefined): Arch[] => [
      ...new Set([...(before ?? []), ...value.split(",").map(archNamed)]),
    ],
  );
}

/** An environment's `baseUrl`, given for one run. */
export function mirrorOption(): Option {
  return new Option(
    "--mirror <url>",
    "one place that stands for every other, as `lock --fetch` fills it (the environment's baseUrl)",
  ).argParser((value) => {
    const { success, error } = downloadUrl.safeParse(value);
    if (success) return value;
    throw new InvalidArgumentError(error.issues.map(({ message }) => message).join("; "));
  });
}

function archNamed(value: string): Arch {
  const arch = ARCHES.find((known) => known === value);
  if (arch) return arch;
  throw new InvalidArgumentError(`Use one of ${ARCHES.join(", ")}.`);
}
