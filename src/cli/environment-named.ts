import type { Environment } from "../core/environment.ts";
import type { App } from "./app.ts";
import { loadEnvironment } from "./template-loader/load-environment.ts";
import { findEnvironment } from "./template-loader/lookup.ts";
import { ENVIRONMENTS_DIR } from "./template-loader/own-files.ts";

/** The environment of that name or path. @throws {KvciError} `environment-invalid` */
export async function environmentNamed(app: App, name: string): Promise<Environment> {
  const file = await findEnvironment(name, { cwd: app.cwd, environmentsDir: ENVIRONMENTS_DIR });
  return loadEnvironment(file, { cwd: app.cwd });
}
