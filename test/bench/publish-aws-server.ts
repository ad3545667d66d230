/** A counterpart of AWS in a process of its own, and a client that does nothing but send blocks to it: as fast as it takes them. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { join } from "node:path";

export const BLOCK_BYTES = 512 * 1024;

type Env = Readonly<Record<string, string>>;

/** Runs `work` with a counterpart that has nothing in it yet. */
export async function withServer<T>(work: (env: Env) => Promise<T>): Promise<T> {
  const script = join(import.meta.dirname, "../counterparts/aws/serve.ts");
  const server = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(server.stdout, "data")) as [Buffer];
    return await work(JSON.parse(line.toString()) as Env);
  } finally {
    server.kill();
    await once(server, "close");
  }
}

export interface RawBlock {
  readonly index: number;
  readonly data: Buffer;
}

/** Sends blocks with digests made beforehand over plain HTTP: no SDK, no look at the answer but its status. @returns seconds. */
export async function sendRaw(env: Env, blocks: readonly RawBlock[], concurrency: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const id = await startRaw(env, agent);
  const ready = blocks.map((block) => ({
    ...block,
    checksum: createHash("sha256").update(block.data).digest("base64"),
  }));
  const begun = performance.now();
  const waiting = ready.values();
  const work = async (): Promise<void> => {
    for (const { index, data, checksum } of waiting) {
      const path = `/snapshots/${id}/blocks/${String(index)}`;
      const headers = {
        "x-amz-checksum": checksum,
        "x-amz-checksum-algorithm": "SHA256",
        "x-amz-data-length": String(data.length),
        "content-type": "application/octet-stream",
      };
      await send(env, { agent, method: "PUT", path, headers, body: data });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  agent.destroy();
  return (performance.now() - begun) / 1000;
}

async function startRaw(env: Env, agent: Agent): Promise<string> {
  const body = Buffer.from(JSON.stringify({ VolumeSize: 8, ClientToken: "raw" }));
  const headers = { "content-type": "application/json" };
  const answer = await send(env, { agent, method: "POST", path: "/snapshots", headers, body });
  return (JSON.parse(answer) as { readonly SnapshotId: string }).SnapshotId;
}

interface RawRequest {
  readonly agent: Agent;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function send(env: Env, { agent, method, path, headers, body }: RawRequest): Promise<string> {
  const { host, hostname, port } = new URL(env["AWS_ENDPOINT_URL"] ?? "");
  const signed = { ...headers, ...signature(env, { ...headers, host }), "content-length": body.length };
  return new Promise((resolve, reject) => {
    const sent = request({ agent, method, path, hostname, port, headers: signed }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if ((answer.statusCode ?? 500) < 300) resolve(text);
        else reject(new Error(`${method} ${path}: ${String(answer.statusCode)} ${text}`));
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** The counterpart looks at a signature's form, not at the signature. */
function signature(env: Env, headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const token = env["AWS_SESSION_TOKEN"] ?? "";
  const names = [...Object.keys(headers), "x-amz-date", "x-amz-security-token"].sort().join(";");
  const scope = `${env["AWS_ACCESS_KEY_ID"] ?? ""}/${stamp.slice(0, 8)}/us-east-1/ebs/aws4_request`;
  return {
    "x-amz-date": stamp,
    "x-amz-security-token": token,
    authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=${names}, Signature=${"0".repeat(64)}`,
  };
}
