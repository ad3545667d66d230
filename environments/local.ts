import { defineEnvironment } from "kvci-build";

/** A developer's machine: the distributions' own servers, by this machine's proxies. Copy it for mirrors, limits, or a store of its own. */
export default defineEnvironment({});
