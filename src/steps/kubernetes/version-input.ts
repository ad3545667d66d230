import { z } from "zod";
import type { KubernetesVersion } from "./kubernetes-version.ts";

/** A version as the steps of Kubernetes take it: made by `kubernetesVersion`, which has checked that its parts fit. */
export const versionSchema = z.custom<KubernetesVersion>(
  (value) => typeof value === "object" && value !== null && "kubeadmApi" in value && "packages" in value,
  "give what kubernetesVersion(…) returns",
);
