import { z } from "zod";
import type { GcpSend } from "./request.ts";

const granted = z.object({ permissions: z.array(z.string()).default([]) });

/** Those of the permissions that we have in the project. Needs the Cloud Resource Manager API. */
export async function allowedInProject(
  send: GcpSend,
  { project, permissions, signal }: { project: string; permissions: readonly string[]; signal: AbortSignal },
): Promise<readonly string[]> {
  const answer = await send(
    {
      action: "resourcemanager.projects.get",
      method: "POST",
      to: { service: "resourcemanager", path: `projects/${encodeURIComponent(project)}:testIamPermissions` },
      body: { permissions },
    },
    signal,
  );
  return granted.parse(answer.body).permissions;
}
