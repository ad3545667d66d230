/**
 * The counterpart in a process of its own: node test/counterparts/gcp/serve.ts [--project P] [--bucket B] [--port N]. Prints one line
 * of JSON, the environment that clients need. Ends on SIGTERM or SIGINT, and with it everything it held.
 */
import { parseArgs } from "node:util";
import { startGcp } from "./start-gcp.ts";

const { values } = parseArgs({
  options: {
    project: { type: "string", default: "kvci-project" },
    bucket: { type: "string", default: "kvci-bucket" },
    port: { type: "string", default: "0" },
  },
});
const gcp = await startGcp({ project: values.project, buckets: [values.bucket], port: Number(values.port) });
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => void gcp.close());
process.stdout.write(`${JSON.stringify(gcp.env)}\n`);
