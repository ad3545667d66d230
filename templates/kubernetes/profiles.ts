/**
 * What of the addons' images is in the image already. The cluster's own images always are, and so are the manifests of all
 * addons: a smaller profile pulls what it lacks when an addon is installed.
 */
export const PROFILES = {
  slim: "the cluster's own images: control plane, DNS, network",
  core: "and KubeVirt, local volumes, kwok",
  storage: "core, and CDI, Ceph, NFS, snapshots",
  network: "core, and the other pod network, Multus, network addons, whereabouts, Istio",
  observability: "core, and Prometheus, Alertmanager, Grafana",
  full: "all of it",
} as const;

export type ProfileName = keyof typeof PROFILES;
