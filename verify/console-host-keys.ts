import { open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { withDisposal } from "../src/core/disposal.ts";
import { KvciError } from "../src/core/error.ts";
import { lastLines } from "../src/host/last-lines.ts";
import { plainText } from "./plain-text.ts";

/**
 * A guest's serial console is a channel that nobody on the network can write to. cloud-init prints the host keys that
 * the guest made at its first boot there, so that the first connection need not trust whoever answers. Cloud users
 * read the same lines from their provider's console output.
 * See https://cloudinit.readthedocs.io/en/latest/reference/modules.html (keys to console).
 */
const KEYS = /-----BEGIN SSH HOST KEY KEYS-----([\s\S]*?)-----END SSH HOST KEY KEYS-----/g;

/** Best first. RSA is left out: by that name, servers of today no longer sign. */
const TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

/** A console says at most some 200 KB in a boot; more than this is a guest that does not stop talking. */
const CONSOLE_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * The host keys that the last complete block on a console names, as `type base64`, ed25519 first. Lines that another
 * message has run into are left out: a key counts only when its own bytes say the same type.
 *
 * @returns undefined while there is no complete block.
 */
export function hostKeysOnConsole(text: string): string[] | undefined {
  const block = [...text.matchAll(KEYS)].at(-1)?.[1];
  if (block === undefined) return undefined;
  const found = TYPES.flatMap((type) =>
    [...block.matchAll(new RegExp(`${type} (AAAA[0-9A-Za-z+/]+={0,2})`, "g"))].flatMap(([, body = ""]) =>
      isKeyOf(type, body) ? [`${type} ${body}`] : [],
    ),
  );
  return [...new Set(found)];
}

/** The blob begins with its type, and its last field ends where the blob ends (RFC 4253, section 6.6). */
function isKeyOf(type: string, body: string): boolean {
  const blob = Buffer.from(body, "base64");
  const fields: Buffer[] = [];
  let at = 0;
  while (at + 4 <= blob.length) {
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return false;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return at === blob.length && fields.length >= 2 && fields[0]?.toString("latin1") === type;
}

export interface ConsoleWait {
  readonly serialLog: string;
  /** Milliseconds until the guest counts as not ready. */
  readonly timeoutMs: number;
  /** Milliseconds between two looks at the file. */
  readonly intervalMs: number;
  /** Rejects as soon as the guest is gone. */
  readonly died: Promise<never>;
  readonly signal: AbortSignal;
}

/**
 * Waits until the console names the guest's host keys, and returns the best of them.
 *
 * @throws {KvciError} `guest-not-ready` at the deadline, or when the block holds no key that can be read; whatever
 *   `died` rejects with; `interrupted` on abort.
 */
export async function waitForHostKey(wait: ConsoleWait): Promise<string> {
  const done = new AbortController();
  const signal = AbortSignal.any([wait.signal, done.signal]);
  try {
    return await Promise.race([poll(wait, signal), wait.died]);
  } catch (error) {
    if (wait.signal.aborted) {
      throw new KvciError("interrupted", "stopped while the disk booted", {
        hint: "Run the same command again.",
        cause: error,
      });
    }
    throw error;
  } finally {
    done.abort();
  }
}

async function poll(wait: ConsoleWait, signal: AbortSignal): Promise<string> {
  const end = performance.now() + wait.timeoutMs;
  for (;;) {
    const text = await consoleText(wait.serialLog);
    const keys = hostKeysOnConsole(text);
    if (keys?.[0] !== undefined) return keys[0];
    if (keys) throw notReady("the console names no SSH host key that can be read", wait.serialLog, text);
    if (performance.now() > end) {
      throw notReady(
        `the console did not name the SSH host keys within ${String(wait.timeoutMs / 1000)} s`,
        wait.serialLog,
        text,
      );
    }
    await delay(wait.intervalMs, undefined, { signal });
  }
}

async function consoleText(path: string): Promise<string> {
  try {
    return await withDisposal(await open(path, "r"), async (file) => {
      const { size } = await file.stat();
      const length = Math.min(size, CONSOLE_LIMIT_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString("latin1", 0, bytesRead);
    });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

function notReady(message: string, serialLog: string, text: string): KvciError {
  return new KvciError("guest-not-ready", message, {
    hint: `The whole console is in ${serialLog}. The image needs cloud-init and a console on its serial port.`,
    evidence: lastLines(plainText(text), 20),
  });
}
