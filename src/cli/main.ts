#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// Before anything else is imported: compiled (and type-stripped) sources are kept, which halves the start-up. In the user's own
// cache: in the system's temporary folder, where Node would put them, others could lay code for us.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kvci-build", "compiled"));
const { main } = await import("./start.ts");
process.exitCode = await main(process);
