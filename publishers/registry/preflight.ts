import type { PreflightFinding } from "../../src/publish/publisher.ts";
import { quayFindings } from "./quay.ts";
import type { RepositoryState } from "./registry-state.ts";
import type { Repository } from "./repository.ts";

type Finding = Omit<PreflightFinding, "target" | "place">;

/** quay.io refuses a single request with more; in pieces it takes more. */
const QUAY_BLOB_BYTES = 20 * 1024 ** 3;

/** What can be known of a repository before anything is sent to it. */
export async function preflightRepository(state: RepositoryState, repository: Repository): Promise<readonly Finding[]> {
  const visibility = await visibilityOf(state, repository);
  const quay = await repository.quay();
  return [
    credentials(repository),
    pushRight(repository),
    visibility,
    ...(quay ? quayFindings(repository.name, quay) : []),
    largestBlob(state),
    ...referrers(state),
    tags(state),
  ];
}

function credentials({ client, name }: Repository): Finding {
  const { login } = client;
  const detail = login
    ? `${name}: those of ${login.source} let us read`
    : `${name}: none found, and reading takes none`;
  return { level: login ? "ok" : "warning", check: "credentials", detail };
}

/** A push would tell, and would leave something. */
function pushRight({ client, name }: Repository): Finding {
  const check = "push right";
  const granted = client.mayPush();
  if (granted === true) return { level: "ok", check, detail: `${name}: granted by the token` };
  if (granted === undefined) return { level: "unproven", check, detail: `${name}: the registry tells only who pushes` };
  return {
    level: "error",
    check,
    detail: `${name}: the registry's token does not grant pushing`,
    hint: "Give the account write access to the repository; on quay.io a robot account needs the permission Write, and creating a repository takes a creator of the organisation.",
    code: "publish-denied",
  };
}

async function visibilityOf({ host, known }: RepositoryState, repository: Repository): Promise<Finding> {
  const check = "visibility";
  const { name } = repository;
  if (known === null) {
    const detail = `${name}: not there yet; many registries, quay.io among them, make it private`;
    return { level: host === "quay.io" ? "warning" : "unproven", check, detail };
  }
  const isListed = await repository.isListedForAll();
  if (isListed) return { level: "ok", check, detail: `${name}: public`, seenByAll: true };
  const detail = `${name}: private; who wants to pull needs credentials`;
  return { level: "warning", check, detail, hint: `Make it public in the registry's settings if it is to be.` };
}

function largestBlob({ host, repository, images }: RepositoryState): Finding {
  const check = "largest blob";
  const largest = Math.max(0, ...images.flatMap(({ image }) => image.blobs.map(({ size }) => size)));
  const detail = `${repository}: ${(largest / 1024 ** 2).toFixed(1)} MiB`;
  if (host !== "quay.io" || largest <= QUAY_BLOB_BYTES) return { level: "ok", check, detail };
  return {
    level: "warning",
    check,
    detail: `${detail}, and quay.io takes 20 GiB in a request, so it has to take this one in pieces`,
    hint: 'Publish the layered image (image: "layered-disk"), whose layers are smaller, if it does not.',
  };
}

function referrers({ repository, images, referrersApi }: RepositoryState): Finding[] {
  if (images.every(({ artifacts }) => artifacts.length === 0)) return [];
  const check = "referrers";
  if (referrersApi === "unknown") {
    const detail = `${repository}: known with the first image; without the API they are kept under a tag`;
    return [{ level: "unproven", check, detail }];
  }
  const how = referrersApi === "api" ? "by the referrers API" : "under a tag, as the registry has no referrers API";
  return [{ level: "ok", check, detail: `${repository}: ${how}` }];
}

/** Conflicts have ended the plan before. */
function tags({ repository, tags: wanted }: RepositoryState): Finding {
  const moved = wanted.filter(({ former, digest }) => former !== digest);
  const names = moved.map(({ tag, former }) => (former === null ? tag : `${tag} (moves)`));
  const detail = names.length === 0 ? `${repository}: all there` : `${repository}: ${names.join(", ")}`;
  return { level: "ok", check: "tags", detail };
}
