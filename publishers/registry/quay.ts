import { z } from "zod";
import { jsonOf } from "../../src/core/parse-json.ts";
import type { PreflightFinding } from "../../src/publish/publisher.ts";
import type { HttpReply } from "./registry-http.ts";

type Finding = Omit<PreflightFinding, "target" | "place">;

const quayRepository = z.looseObject({ is_public: z.boolean(), state: z.string().default("NORMAL") });

/**
 * What Quay's own API says of a repository. Robot accounts may not ask it, only a token of an OAuth application, so it is asked
 * where there is one; what it does not answer is no finding.
 */
export function quayFindings(name: string, { status, body }: HttpReply): readonly Finding[] {
  const { data } = quayRepository.safeParse(jsonOf(body.toString("utf8")));
  if (status !== 200 || !data) {
    const detail = `${name}: Quay's API does not tell with this token (HTTP ${status})`;
    return [{ level: "unproven", check: "quay repository", detail }];
  }
  return [visibility(name, data.is_public), ...stateOf(name, data.state)];
}

function visibility(name: string, isPublic: boolean): Finding {
  const check = "quay repository";
  if (isPublic) return { level: "ok", check, detail: `${name}: public, by Quay's API` };
  const hint = "Make it public in the repository's settings if it is to be; quay.io makes new ones private.";
  return { level: "warning", check, detail: `${name}: private, by Quay's API`, hint };
}

/** Mirrors and read-only repositories refuse every push, when all has been sent. */
function stateOf(name: string, state: string): readonly Finding[] {
  if (state === "NORMAL") return [];
  const detail = `${name}: its state is ${state}, so that it takes no push`;
  const hint = "Set the repository's state to Normal in its settings, or publish to another one.";
  return [{ level: "error", check: "quay repository state", detail, hint, code: "publish-blocked" }];
}
