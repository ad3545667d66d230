import { execFile } from "node:child_process";

/** A command's standard output; its errors hold what it said. */
export function command(
  argv: readonly [string, ...string[]],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly stdin?: string } = {},
): Promise<string> {
  const [file, ...args] = argv;
  return new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: "C.UTF-8", ...options.env };
    const limits = { maxBuffer: 64 * 2 ** 20, timeout: 600_000 };
    const child = execFile(file, args, { cwd: options.cwd, env, ...limits }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${argv.join(" ")}\n${stdout}${stderr}`, { cause: error }));
      else resolve(stdout);
    });
    // A program that has ended before it read anything is judged by its exit status.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.stdin ?? "");
  });
}
