import { defineEnvironment } from "kvci-build";

/**
 * A CI job: what it builds is what the lock says, so that a build of next year is the same. As many builds at once as there are
 * processors for, two each, and as their machines have memory for together. A site with mirrors of its own copies this file and
 * names them; mirrors change no key.
 */
export default defineEnvironment({ locked: true });
