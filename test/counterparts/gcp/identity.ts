import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GcpFault } from "./gcp-fault.ts";

/** Who calls: tokens that were given in exchange for a workload's own. */
export class Identity {
  readonly #folder: string;
  readonly #valid = new Set<string>();
  #given = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes a credentials file of workload identity federation, as a CI system has it: no key in it, and addresses of this server. */
  async writeCredentials(endpoint: string): Promise<string> {
    const subject = join(this.#folder, "workload-token");
    await writeFile(subject, "workload", { mode: 0o600 });
    const path = join(this.#folder, "credentials.json");
    const credentials = {
      type: "external_account",
      audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/ci",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${endpoint}/v1/token`,
      credential_source: { file: subject },
    };
    await writeFile(path, JSON.stringify(credentials), { mode: 0o600 });
    return path;
  }

  /** Answers the exchange. */
  exchange(form: URLSearchParams): object {
    if (
      form.get("grant_type") !== "urn:ietf:params:oauth:grant-type:token-exchange" ||
      form.get("subject_token") !== "workload"
    ) {
      throw new GcpFault(400, "invalid_grant", "The subject token is not one of this pool.");
    }
    this.#given += 1;
    const token = `token-${this.#given}`;
    this.#valid.add(token);
    const issued = "urn:ietf:params:oauth:token-type:access_token";
    return { access_token: token, issued_token_type: issued, token_type: "Bearer", expires_in: 3600 };
  }

  /** Tokens given so far are no longer good. */
  expire(): void {
    this.#valid.clear();
  }

  /** @throws {GcpFault} 401 */
  assertKnown(authorization: string | undefined): void {
    const token = /^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "";
    if (this.#valid.has(token)) return;
    throw new GcpFault(401, "authError", "Request had invalid authentication credentials.");
  }

  get tokensGiven(): number {
    return this.#given;
  }
}
