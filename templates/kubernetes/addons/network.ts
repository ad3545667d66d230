import type { AddonInput } from "kvci-build";

const CNAO = "https://github.com/kubevirt/cluster-network-addons-operator/releases/download/{version}";
const WHEREABOUTS = "https://raw.githubusercontent.com/k8snetworkplumbingwg/whereabouts/{version}/doc/crds";

/** What KubeVirt's CI installs: with the CNI plugin, so that the pods of machines need no privileges for it. */
const ISTIO_OPERATOR = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata:
  namespace: istio-system
  name: istio-operator
spec:
  profile: demo
  components:
    cni:
      enabled: true
      namespace: kube-system
  values:
    global:
      jwtPolicy: first-party-jwt
    cni:
      chained: true
      cniBinDir: /opt/cni/bin
      cniConfDir: /etc/cni/net.d
      privileged: true
      excludeNamespaces:
        - istio-system
        - kube-system
`;

/** Further networks for pods, and a service mesh. */
export const NETWORK_ADDONS: readonly AddonInput[] = [
  {
    name: "multus",
    version: "v4.2.4",
    manifests: [
      "https://raw.githubusercontent.com/k8snetworkplumbingwg/multus-cni/{version}/deployments/multus-daemonset-thick.yml",
    ],
    profiles: ["network"],
    ready: [
      {
        kind: "DaemonSet",
        name: "kube-multus-ds",
        namespace: "kube-system",
        condition: "Rollout",
        timeoutSeconds: 180,
      },
    ],
  },
  {
    name: "cnao",
    version: "v0.100.0",
    manifests: [
      `${CNAO}/namespace.yaml`,
      `${CNAO}/network-addons-config.crd.yaml`,
      `${CNAO}/operator.yaml`,
      `${CNAO}/network-addons-config-example.cr.yaml`,
    ],
    profiles: ["network"],
    ready: [
      {
        kind: "Deployment",
        name: "cluster-network-addons-operator",
        namespace: "cluster-network-addons",
        condition: "Available",
        timeoutSeconds: 200,
      },
      { kind: "NetworkAddonsConfig", name: "cluster", condition: "Available", timeoutSeconds: 300 },
    ],
  },
  {
    name: "whereabouts",
    version: "v0.8.0",
    manifests: [
      `${WHEREABOUTS}/whereabouts.cni.cncf.io_ippools.yaml`,
      `${WHEREABOUTS}/whereabouts.cni.cncf.io_overlappingrangeipreservations.yaml`,
      `${WHEREABOUTS}/daemonset-install.yaml`,
    ],
    profiles: ["network"],
    ready: [
      { kind: "DaemonSet", name: "whereabouts", namespace: "kube-system", condition: "Rollout", timeoutSeconds: 180 },
    ],
  },
  {
    name: "istio",
    version: "1.30.2",
    files: [{ file: "istio-operator.yaml", content: ISTIO_OPERATOR }],
    commands: [
      [
        "istioctl",
        "install",
        "--skip-confirmation",
        "--filename=/etc/kubernetes/addons/istio/files/istio-operator.yaml",
      ],
    ],
    images: [
      "docker.io/istio/install-cni:{version}",
      "docker.io/istio/pilot:{version}",
      "docker.io/istio/proxyv2:{version}",
    ],
    programs: [
      {
        name: "istioctl",
        url: "https://github.com/istio/istio/releases/download/{version}/istioctl-{version}-linux-{arch}.tar.gz",
      },
    ],
    profiles: ["network"],
    ready: [
      { kind: "Deployment", name: "istiod", namespace: "istio-system", condition: "Available", timeoutSeconds: 300 },
      {
        kind: "DaemonSet",
        name: "istio-cni-node",
        namespace: "kube-system",
        condition: "Rollout",
        timeoutSeconds: 300,
      },
    ],
  },
];
