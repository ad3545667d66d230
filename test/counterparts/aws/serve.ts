/**
 * The counterpart in a process of its own: node test/counterparts/aws/serve.ts [--folder DIR] [--port N]. Prints one line of JSON,
 * the environment that clients need; its state is saved in DIR when SIGTERM or SIGINT ends it, and found there by the next.
 */
import { parseArgs } from "node:util";
import { startAws } from "./start-aws.ts";

const { values } = parseArgs({ options: { folder: { type: "string" }, port: { type: "string", default: "0" } } });
const aws = await startAws({
  port: Number(values.port),
  ...(values.folder === undefined ? {} : { folder: values.folder }),
});
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => void aws.close());
process.stdout.write(`${JSON.stringify(aws.env)}\n`);
