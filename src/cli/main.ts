#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { enableCompileCache } from "node:module";

// Before anything else is imported: compiled (and type-stripped) sources are kept, which halves the start-up.
enableCompileCache();
const { main } = await import("./start.ts");
process.exitCode = await main(process);
