import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import { wantedImages, wantedManifests } from "../lock/lock-targets.ts";
import type { LockPorts } from "../lock/resolve-lock.ts";
import { registryAccess } from "./image-access.ts";
import { packageSets } from "./lock-packages.ts";
import { lockPorts } from "./lock-ports.ts";
import { targetsOf, type LockGroup } from "./lock-templates.ts";
import { ensure } from "./need-programs.ts";
import type { Session } from "./session.ts";

/** What resolving works with; settings of registries are written into a folder that is gone afterwards. */
export async function withLockPorts<T>(
  groups: readonly LockGroup[],
  { session, environment }: { readonly session: Session; readonly environment: Environment },
  work: (ports: LockPorts) => Promise<T>,
): Promise<T> {
  const targets = groups.flatMap(targetsOf);
  const mayHaveImages = wantedImages(targets).length + wantedManifests(targets).length > 0;
  if (mayHaveImages) await ensure(session, ["skopeo"]);
  return withDisposal(await session.store.temporaryFolder("registries"), async ({ path }) => {
    const registries = await registryAccess(environment, path);
    const packages = packageSets({ session, environment });
    return work(lockPorts(session, { environment, registries, packages }));
  });
}
