import { KvciError } from "../../src/core/error.ts";
import type { Repository } from "./repository.ts";

/** A registry that keeps what it has, or an account that may not delete. */
export function deletionRefused(repository: Repository, status: number): KvciError {
  const { host } = repository.client.place;
  return new KvciError("publish-blocked", `${host} lets nobody delete from ${repository.name} like that`, {
    hint: "Have deletion enabled in the registry (docker-registry: storage.delete.enabled), or give the account the right to; then roll back again.",
    evidence: [`HTTP ${status}`],
  });
}
