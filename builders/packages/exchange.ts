import { chmod, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { customizeFiles, OUTPUT_FILES, type CustomizeRequest } from "./customize-script.ts";
import { guestFiles } from "./guest-files.ts";

export interface ExchangeRequest extends CustomizeRequest {
  /** The bootstrapper's own scripts, by file name. */
  readonly scripts: Readonly<Record<string, string>>;
  readonly asRoot: boolean;
}

/**
 * Prepares the folder that the bootstrapper is started in: scripts, the guest's files, and the files that results go to. In a
 * user namespace the tree's root user is nobody we know, so what it writes has to be open to everybody; it reaches the
 * folder as its working directory, whatever the folders above allow.
 */
export async function prepareExchange(exchange: string, request: ExchangeRequest): Promise<void> {
  await folder(exchange);
  await folder(path.join(exchange, "files"));
  for (const { path: name, text } of guestFiles(request.spec, request.arch)) {
    const target = path.join(exchange, "files", name);
    await folders(path.join(exchange, "files"), path.dirname(name));
    await file(target, text, 0o644);
  }
  const scripts = { ...customizeFiles(request), ...request.scripts };
  for (const [name, text] of Object.entries(scripts)) await file(path.join(exchange, name), text, 0o644);
  const outputMode = request.asRoot ? 0o600 : 0o666;
  for (const name of OUTPUT_FILES) await file(path.join(exchange, name), "", outputMode);
}

/** Modes are set apart from creation because the umask takes away from what is asked for. */
async function file(target: string, text: string, mode: number): Promise<void> {
  await writeFile(target, text);
  await chmod(target, mode);
}

async function folder(target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  await chmod(target, 0o755);
}

async function folders(top: string, below: string): Promise<void> {
  let current = top;
  for (const part of below.split("/").filter((name) => name !== "")) {
    current = path.join(current, part);
    await folder(current);
  }
}
