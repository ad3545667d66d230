import type { AddonInput } from "kvci-build";

const KUBE_PROMETHEUS = "https://raw.githubusercontent.com/prometheus-operator/kube-prometheus/{version}/manifests";

/** Definitions first: the objects behind them are of these kinds. */
const SETUP = [
  "namespace",
  ...[
    "alertmanager",
    "alertmanagerConfig",
    "podmonitor",
    "probe",
    "prometheus",
    "prometheusagent",
    "prometheusrule",
    "scrapeconfig",
    "servicemonitor",
    "thanosruler",
  ].map((kind) => `0${kind}CustomResourceDefinition`),
];

/** Parts of kube-prometheus that KubeVirt's CI uses: no adapter, no blackbox exporter. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  prometheusOperator: ["clusterRole", "clusterRoleBinding", "deployment"],
  alertmanager: ["alertmanager", "podDisruptionBudget", "secret"],
  grafana: ["config", "dashboardDatasources", "dashboardDefinitions", "dashboardSources", "deployment"],
  kubeStateMetrics: ["clusterRole", "clusterRoleBinding", "deployment"],
  nodeExporter: ["clusterRole", "clusterRoleBinding", "daemonset"],
  prometheus: [
    "clusterRole",
    "clusterRoleBinding",
    "podDisruptionBudget",
    "prometheus",
    "roleBindingConfig",
    "roleBindingSpecificNamespaces",
    "roleConfig",
    "roleSpecificNamespaces",
  ],
};
/** What each part has beside its own. */
const COMMON = ["networkPolicy", "prometheusRule", "service", "serviceAccount", "serviceMonitor"];

const OBJECTS = Object.entries(PARTS).flatMap(([part, own]) => [...own, ...COMMON].map((name) => `${part}-${name}`));

/** Metrics, alerts and dashboards. */
export const OBSERVABILITY_ADDONS: readonly AddonInput[] = [
  {
    name: "prometheus",
    version: "v0.14.0",
    manifests: [
      ...SETUP.map((name) => `${KUBE_PROMETHEUS}/setup/${name}.yaml`),
      `${KUBE_PROMETHEUS}/kubePrometheus-prometheusRule.yaml`,
      ...OBJECTS.map((name) => `${KUBE_PROMETHEUS}/${name}.yaml`),
    ],
    profiles: ["observability"],
    ready: [
      {
        kind: "Deployment",
        name: "prometheus-operator",
        namespace: "monitoring",
        condition: "Available",
        timeoutSeconds: 180,
      },
      { kind: "Prometheus", name: "k8s", namespace: "monitoring", condition: "Available", timeoutSeconds: 300 },
      { kind: "Alertmanager", name: "main", namespace: "monitoring", condition: "Available", timeoutSeconds: 300 },
    ],
  },
];
