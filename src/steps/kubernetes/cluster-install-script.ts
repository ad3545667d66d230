import { FIRST_BOOT_STATE } from "../first-boot.ts";
import { lines } from "../script.ts";
import { ADDONS_DIR, type Addon } from "./addon.ts";
import type { ClusterInstall } from "./cluster-install-schema.ts";
import {
  cniManifestPath,
  COREDNS_PATCH,
  initConfigPath,
  joinConfigPath,
  NETWORK_POLICIES_PATH,
} from "./cluster-network.ts";

/** For whatever takes a moment: the runtime's start, an address, one manifest. Emulated nodes need much of it. */
export const GRACE_SECONDS = 120;

/** For a command of an addon, which may wait for what it installs. */
export const COMMAND_SECONDS = 600;

/** The program of `clusterInstall`'s first-boot unit: POSIX shell, and nothing but what a Kubernetes node has. */
export function clusterInstallScript(install: ClusterInstall): string {
  return lines(
    "#!/bin/sh",
    "# Makes this node a cluster, or a part of one, from what is in its image. Run by kvci-first-boot-cluster-install.service.",
    "set -eu",
    ...settings(install),
    "",
    ...REPORT,
    "",
    ...WAITS,
    "",
    ...CHECKS,
    "",
    ...KUBEADM,
    "",
    ...addonFunction(install.addons),
    "",
    ...MAIN,
  );
}

function settings(install: ClusterInstall): readonly string[] {
  const { role, cni, stack, offline } = install;
  const addons = install.addons.filter(({ manifests: files }) => files.length > 0);
  const manifests = [cniManifestPath(cni, stack), ...(cni === "flannel" ? [NETWORK_POLICIES_PATH] : [])];
  return [
    `role=${role}`,
    `stack=${stack}`,
    `offline=${offline ? "yes" : "no"}`,
    `init_config=${initConfigPath(cni, stack)}`,
    `join_config=${joinConfigPath(stack)}`,
    `cni_manifests='${manifests.join(" ")}'`,
    `addon_manifests='${addons.map(({ name }) => `${ADDONS_DIR}/${name}`).join(" ")}'`,
    `ignored='${install.ignorePreflightErrors.join(",")}'`,
    `grace=${String(GRACE_SECONDS)}`,
    `kubeadm_seconds=${String(install.kubeadmSeconds)}`,
    `ready_seconds=${String(install.readySeconds)}`,
    "# What user data may bring.",
    "own_init=/etc/kubernetes/kvci-init.yaml",
    "own_join=/etc/kubernetes/kvci-join.yaml",
    "own_token=/etc/kubernetes/kvci-token",
    `state=${FIRST_BOOT_STATE}/cluster-install`,
    `coredns_patch=${COREDNS_PATCH}`,
    "admin=/etc/kubernetes/admin.conf",
    // systemd gives a service no HOME, and kubectl would keep its cache in /.kube then.
    "export HOME=/root KUBECONFIG=$admin",
  ];
}

/** The line that names the failure comes last: it is what the unit's report is sure to show. */
const REPORT = [
  "doing='starting'",
  'begin() { doing=$1; echo "kvci-build: $doing"; }',
  'fail() { echo "kvci-build: $*" >&2; exit 1; }',
  "report() {",
  "  status=$?",
  "  trap - EXIT",
  "  rm -f /run/kvci-join.yaml",
  '  if [ "$status" -eq 0 ]; then exit 0; fi',
  "  set +e",
  "  timeout 3 crictl ps --all 2> /dev/null | head -n 15",
  '  if [ -e "$admin" ]; then timeout 3 kubectl get nodes,pods --all-namespaces 2> /dev/null | head -n 30; fi',
  "  timeout 3 journalctl --boot --unit=kubelet.service --lines=8 --output=cat --no-pager",
  '  echo "kvci-build: cluster-install FAILED while $doing (exit status $status)" >&2',
  '  exit "$status"',
  "}",
  "trap report EXIT",
  "trap 'exit 143' TERM",
];

const WAITS = [
  "# Seconds since the machine started: the clock may jump when the node first hears of a time server.",
  "uptime() { cut -d. -f1 /proc/uptime; }",
  "# wait_until SECONDS COMMAND…: until it succeeds, or SECONDS have passed.",
  "wait_until() {",
  "  end=$(($(uptime) + $1))",
  "  shift",
  '  until "$@"; do',
  '    if [ "$(uptime)" -ge "$end" ]; then return 1; fi',
  "    sleep 2",
  "  done",
  "}",
  "runtime_answers() { timeout 5 crictl version > /dev/null 2>&1; }",
  "has_ipv6() { ip -6 -oneline address show | grep -v -q -e 'scope link' -e 'scope host'; }",
  'exists() { timeout 10 kubectl get "$@" > /dev/null 2>&1; }',
  "# Again, since a webhook or a kind of its own may need a moment until the API server knows it.",
  'apply_once() { timeout 60 kubectl apply --server-side --force-conflicts --filename="$1"; }',
  'apply() { wait_until "$grace" apply_once "$1"; }',
];

const CHECKS = [
  "images_of() {",
  "  find \"$@\" -name '*.yaml' -exec sed -n -E 's/^[[:space:]-]*image:[[:space:]]*[\"'\\'']?([^\"'\\''[:space:]]+).*/\\1/p' {} +",
  "}",
  "check_images() {",
  "  # A folder or file that is not there fails here, too.",
  '  wanted=$(kubeadm config images list --config="$init_config")',
  '  wanted="$wanted $(images_of $cni_manifests $addon_manifests)"',
  "  missing=",
  "  for image in $wanted; do",
  "    # What only looks like an image, in some description, has no registry and no tag.",
  '    case "$image" in */*[:@]*) ;; *) continue ;; esac',
  '    if ! timeout 20 crictl inspecti "$image" > /dev/null 2>&1; then missing="$missing $image"; fi',
  "  done",
  '  if [ -n "$missing" ]; then fail "not in the node\'s image store:$missing"; fi',
  "}",
];

const KUBEADM = [
  "# What an earlier try left half done is taken back.",
  "begin_anew() {",
  '  if [ -e "$state.begun" ]; then timeout "$grace" kubeadm reset --force || true; fi',
  '  : > "$state.begun"',
  "}",
  "init() {",
  '  timeout "$kubeadm_seconds" kubeadm init --config="$init_config" --skip-token-print --ignore-preflight-errors="$ignored"',
  '  if [ -e "$own_token" ]; then timeout "$grace" kubeadm token create "$(cat "$own_token")" > /dev/null; fi',
  "  mkdir -p /root/.kube",
  '  ln -sf "$admin" /root/.kube/config',
  "}",
  "join() {",
  "  umask 077",
  "  # The whole document, or what is missing in the image's.",
  '  if grep -q "^kind:" "$own_join"; then cat "$own_join"; else cat "$join_config" "$own_join"; fi > /run/kvci-join.yaml',
  "  umask 022",
  '  timeout "$kubeadm_seconds" kubeadm join --config=/run/kvci-join.yaml --ignore-preflight-errors="$ignored"',
  "}",
  "node_ready() {",
  "  node=$(uname -n | tr '[:upper:]' '[:lower:]')",
  '  wait_until "$ready_seconds" exists node "$node" || fail "no node $node in the cluster after $ready_seconds s"',
  '  kubectl wait --for=condition=Ready "node/$node" --timeout="${ready_seconds}s"',
  "}",
];

function addonFunction(addons: readonly Addon[]): readonly string[] {
  return ["install_addons() {", "  :", ...addons.flatMap(addonLines).map((line) => `  ${line}`), "}"];
}

function addonLines({ name, manifests, commands, ready }: Addon): readonly string[] {
  return [
    `begin ${quoted(`applying the manifests of ${name}`)}`,
    ...(manifests.length > 0 ? [`apply ${ADDONS_DIR}/${name}`] : []),
    ...commands.flatMap((argv) => [
      `begin ${quoted(`running ${argv[0] ?? ""} for ${name}`)}`,
      `timeout ${String(COMMAND_SECONDS)} ${argv.map(quoted).join(" ")}`,
    ]),
    ...ready.flatMap(gateLines),
  ];
}

/** `kubectl wait` gives up at once on what is not there yet, and operators take their time. */
function gateLines({ kind, name, namespace, condition, timeoutSeconds }: Addon["ready"][number]): readonly string[] {
  const where = namespace === undefined ? "" : ` --namespace=${quoted(namespace)}`;
  const object = quoted(`${kind}/${name}`);
  const limit = `--timeout=${String(timeoutSeconds)}s`;
  const wait =
    condition === "Rollout"
      ? `kubectl rollout status ${object}${where} ${limit}`
      : `kubectl wait --for=condition=${quoted(condition)} ${object}${where} ${limit}`;
  return [
    `begin ${quoted(`waiting for ${condition} of ${kind}/${name}`)}`,
    `wait_until ${String(timeoutSeconds)} exists ${object}${where} || fail ${quoted(`there is no ${kind}/${name}`)}`,
    wait,
  ];
}

/** Addons are data from templates: whatever their names hold stays one word of the shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

const MAIN = [
  'if [ "$role" = auto ]; then',
  '  if [ -e "$own_join" ]; then role=join; else role=control-plane; fi',
  "fi",
  'if [ "$role" = join ] && [ ! -e "$own_join" ]; then fail "no $own_join: user data has to say which cluster to join"; fi',
  'if [ -e "$own_init" ]; then init_config=$own_init; fi',
  "",
  'begin "waiting for the container runtime"',
  'wait_until "$grace" runtime_answers || fail "the runtime does not answer: see crictl version"',
  'if [ "$stack" != ipv4 ]; then',
  '  begin "waiting for an IPv6 address"',
  '  wait_until "$grace" has_ipv6 || fail "no IPv6 address beyond the link after $grace s, which the stack \\"$stack\\" needs"',
  "fi",
  'if [ "$offline" = yes ]; then begin "looking for images"; check_images; fi',
  "",
  'if [ ! -e "$state.joined" ]; then',
  '  begin "clearing up"',
  "  begin_anew",
  '  if [ "$role" = join ]; then begin "joining the cluster"; join; else begin "making the cluster"; init; fi',
  '  : > "$state.joined"',
  "fi",
  "",
  'if [ "$role" = join ]; then',
  "  export KUBECONFIG=/etc/kubernetes/kubelet.conf",
  '  begin "waiting for the node to be Ready"',
  "  node_ready",
  "  exit 0",
  "fi",
  "",
  'if [ -e "$coredns_patch" ]; then',
  '  begin "patching CoreDNS"',
  '  timeout "$grace" kubectl --namespace=kube-system patch deployment coredns --patch-file="$coredns_patch"',
  "fi",
  'begin "applying the network\'s manifests"',
  'for manifest in $cni_manifests; do apply "$manifest"; done',
  'begin "waiting for the node to be Ready"',
  "node_ready",
  'begin "waiting for CoreDNS"',
  'kubectl --namespace=kube-system rollout status deployment/coredns --timeout="${ready_seconds}s"',
  "install_addons",
  'begin "done: kubectl get nodes"',
];
