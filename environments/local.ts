import { defineEnvironment } from "kvci-build";

/** A developer's machine: distributions' own servers, one build at a time. */
export default defineEnvironment({});
