import type { AddonInput } from "kvci-build";

const CDI = "https://github.com/kubevirt/containerized-data-importer/releases/download/{version}";
const SNAPSHOTTER = "https://raw.githubusercontent.com/kubernetes-csi/external-snapshotter/{version}";
const ROOK = "https://raw.githubusercontent.com/rook/rook/{version}/deploy/examples";
const NFS = "https://raw.githubusercontent.com/kubernetes-csi/csi-driver-nfs/{version}/deploy/{version}";

/** Storage: data volumes, snapshots, Ceph, NFS. */
export const STORAGE_ADDONS: readonly AddonInput[] = [
  {
    name: "cdi",
    version: "v1.66.1",
    manifests: [`${CDI}/cdi-operator.yaml`, `${CDI}/cdi-cr.yaml`],
    images: [
      "quay.io/kubevirt/cdi-apiserver:{version}",
      "quay.io/kubevirt/cdi-cloner:{version}",
      "quay.io/kubevirt/cdi-controller:{version}",
      "quay.io/kubevirt/cdi-importer:{version}",
      "quay.io/kubevirt/cdi-uploadproxy:{version}",
      "quay.io/kubevirt/cdi-uploadserver:{version}",
    ],
    profiles: ["storage"],
    ready: [{ kind: "CDI", name: "cdi", condition: "Available", timeoutSeconds: 300 }],
  },
  {
    name: "snapshot-controller",
    version: "v8.4.0",
    manifests: [
      `${SNAPSHOTTER}/client/config/crd/snapshot.storage.k8s.io_volumesnapshotclasses.yaml`,
      `${SNAPSHOTTER}/client/config/crd/snapshot.storage.k8s.io_volumesnapshotcontents.yaml`,
      `${SNAPSHOTTER}/client/config/crd/snapshot.storage.k8s.io_volumesnapshots.yaml`,
      `${SNAPSHOTTER}/deploy/kubernetes/snapshot-controller/rbac-snapshot-controller.yaml`,
      `${SNAPSHOTTER}/deploy/kubernetes/snapshot-controller/setup-snapshot-controller.yaml`,
    ],
    profiles: ["storage"],
    ready: [
      {
        kind: "Deployment",
        name: "snapshot-controller",
        namespace: "kube-system",
        condition: "Available",
        timeoutSeconds: 180,
      },
    ],
  },
  {
    name: "rook-ceph",
    version: "v1.19.10",
    manifests: [
      `${ROOK}/crds.yaml`,
      `${ROOK}/common.yaml`,
      `${ROOK}/csi-operator.yaml`,
      `${ROOK}/operator.yaml`,
      `${ROOK}/cluster-test.yaml`,
      `${ROOK}/csi/rbd/storageclass-test.yaml`,
    ],
    // The operator has the names of its CSI drivers' images built in.
    images: [
      "quay.io/cephcsi/cephcsi:v3.16.2",
      "quay.io/csiaddons/k8s-sidecar:v0.14.0",
      "registry.k8s.io/sig-storage/csi-attacher:v4.11.0",
      "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.16.0",
      "registry.k8s.io/sig-storage/csi-provisioner:v6.1.1",
      "registry.k8s.io/sig-storage/csi-resizer:v2.1.0",
      "registry.k8s.io/sig-storage/csi-snapshotter:v8.5.0",
    ],
    profiles: ["storage"],
    ready: [
      {
        kind: "Deployment",
        name: "rook-ceph-operator",
        namespace: "rook-ceph",
        condition: "Available",
        timeoutSeconds: 180,
      },
      { kind: "CephCluster", name: "my-cluster", namespace: "rook-ceph", condition: "Ready", timeoutSeconds: 900 },
    ],
  },
  {
    name: "nfs-csi",
    version: "v4.11.0",
    manifests: [
      `${NFS}/rbac-csi-nfs.yaml`,
      `${NFS}/csi-nfs-driverinfo.yaml`,
      `${NFS}/csi-nfs-controller.yaml`,
      `${NFS}/csi-nfs-node.yaml`,
    ],
    profiles: ["storage"],
    ready: [
      {
        kind: "Deployment",
        name: "csi-nfs-controller",
        namespace: "kube-system",
        condition: "Available",
        timeoutSeconds: 180,
      },
      { kind: "DaemonSet", name: "csi-nfs-node", namespace: "kube-system", condition: "Rollout", timeoutSeconds: 180 },
    ],
  },
];
