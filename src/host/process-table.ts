import { readdir, readFile } from "node:fs/promises";

/** A process for sure: a number is given again after a while, number and start time are not. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks after boot at which it started: field 22 of proc_pid_stat(5). */
  readonly startTicks: number;
}

/** Undefined when there is no such process. */
export async function processId(pid: number): Promise<ProcessId | undefined> {
  try {
    const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8");
    // The name in parentheses may itself hold spaces and parentheses; fields count from the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : { pid, startTicks: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

export async function isAlive(id: ProcessId): Promise<boolean> {
  return (await processId(id.pid))?.startTicks === id.startTicks;
}

/** Processes whose environment holds `NAME=value`, which children and their children inherit. */
export async function processesWith(variable: string): Promise<{ readonly pid: number; readonly command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, "utf8").catch(() => "");
    if (!environment.split("\0").includes(variable)) continue;
    const command = await readFile(`/proc/${name}/comm`, "utf8").catch(() => "");
    found.push({ pid: Number(name), command: command.trim() });
  }
  return found;
}
