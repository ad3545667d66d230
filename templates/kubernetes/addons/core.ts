import type { AddonInput } from "kvci-build";

const KUBEVIRT = "https://github.com/kubevirt/kubevirt/releases/download/{version}";
const KWOK = "https://github.com/kubernetes-sigs/kwok/releases/download/{version}";

/** The folder is where `localVolumes` mounts them. */
const LOCAL_VOLUMES = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: local-storage-admin
  namespace: default
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: local-storage-config
  namespace: default
data:
  storageClassMap: |
    local:
      hostDir: /mnt/local-storage/local
      mountDir: /mnt/local-storage/local
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: local-storage-provisioner-pv-binding
subjects:
  - kind: ServiceAccount
    name: local-storage-admin
    namespace: default
roleRef:
  kind: ClusterRole
  name: system:persistent-volume-provisioner
  apiGroup: rbac.authorization.k8s.io
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: local-storage-provisioner-node
rules:
  - apiGroups: [""]
    resources: ["nodes"]
    verbs: ["get"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: local-storage-provisioner-node-binding
subjects:
  - kind: ServiceAccount
    name: local-storage-admin
    namespace: default
roleRef:
  kind: ClusterRole
  name: local-storage-provisioner-node
  apiGroup: rbac.authorization.k8s.io
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: local-volume-provisioner
  namespace: default
  labels:
    app: local-volume-provisioner
spec:
  selector:
    matchLabels:
      app: local-volume-provisioner
  template:
    metadata:
      labels:
        app: local-volume-provisioner
    spec:
      serviceAccountName: local-storage-admin
      tolerations:
        - operator: Exists
          effect: NoSchedule
      containers:
        - name: provisioner
          image: quay.io/external_storage/local-volume-provisioner:{version}
          imagePullPolicy: IfNotPresent
          securityContext:
            privileged: true
          env:
            - name: MY_NODE_NAME
              valueFrom:
                fieldRef:
                  fieldPath: spec.nodeName
            - name: MY_NAMESPACE
              valueFrom:
                fieldRef:
                  fieldPath: metadata.namespace
          volumeMounts:
            - name: config
              mountPath: /etc/provisioner/config
              readOnly: true
            - name: volumes
              mountPath: /mnt/local-storage
              mountPropagation: HostToContainer
      volumes:
        - name: config
          configMap:
            name: local-storage-config
        - name: volumes
          hostPath:
            path: /mnt/local-storage
`;

/** What a cluster of the CI has before anybody asks for more, and KubeVirt itself. */
export const CORE_ADDONS: readonly AddonInput[] = [
  {
    name: "local-volume",
    version: "v2.5.0",
    manifests: [{ file: "local-volume.yaml", content: LOCAL_VOLUMES }],
    images: ["quay.io/external_storage/local-volume-provisioner:{version}"],
    profiles: ["core", "storage", "network", "observability"],
    ready: [
      {
        kind: "DaemonSet",
        name: "local-volume-provisioner",
        namespace: "default",
        condition: "Rollout",
        timeoutSeconds: 180,
      },
    ],
  },
  {
    name: "kubevirt",
    version: "v1.9.0",
    manifests: [`${KUBEVIRT}/kubevirt-operator.yaml`, `${KUBEVIRT}/kubevirt-cr.yaml`],
    images: [
      "quay.io/kubevirt/virt-api:{version}",
      "quay.io/kubevirt/virt-controller:{version}",
      "quay.io/kubevirt/virt-exportproxy:{version}",
      "quay.io/kubevirt/virt-exportserver:{version}",
      "quay.io/kubevirt/virt-handler:{version}",
      "quay.io/kubevirt/virt-launcher:{version}",
      "quay.io/kubevirt/virt-synchronization-controller:{version}",
    ],
    profiles: ["core", "storage", "network", "observability"],
    ready: [{ kind: "KubeVirt", name: "kubevirt", namespace: "kubevirt", condition: "Available", timeoutSeconds: 600 }],
  },
  {
    name: "kwok",
    version: "v0.7.0",
    manifests: [`${KWOK}/kwok.yaml`, `${KWOK}/stage-fast.yaml`],
    profiles: ["core", "storage", "network", "observability"],
    ready: [
      {
        kind: "Deployment",
        name: "kwok-controller",
        namespace: "kube-system",
        condition: "Available",
        timeoutSeconds: 120,
      },
    ],
  },
];
