import { defineEnvironment } from "kvci-build";

/**
 * A CI job: as many builds at once as a usual runner has memory for (2 GiB each, 8 GiB). A site with mirrors of its own
 * copies this file and names them in `mirrors` and `packageMirrors`; they change no key.
 */
export default defineEnvironment({ parallelBuilds: 2 });
