import type { DebPackage } from "./apt-repository.ts";

/** What a minor's repository has of Kubernetes: versions without the packaging's revision. */
export interface PackagedVersions {
  readonly version: string;
  readonly criTools: string;
  readonly kubernetesCni: string;
}

/**
 * The packages of pkgs.k8s.io in small: names, versions, relations and places as there, scripts instead of programs. Beside the
 * wanted versions there are older ones, a newer patch of the minor, and two revisions of the wanted patch, of which the second counts.
 */
export function kubernetesDebs({ version, criTools, kubernetesCni }: PackagedVersions): readonly DebPackage[] {
  const [patches, tools, plugins] = [version, criTools, kubernetesCni].map(neighbours);
  return [
    ...(patches ?? []).flatMap((each) => [kubelet(each), kubeadm(each), kubectl(each)]),
    ...(tools ?? []).map(criToolsPackage),
    ...(plugins ?? []).map(kubernetesCniPackage),
  ].map((deb) => ({ arch: "amd64", ...deb }));
}

/** The revision of the wanted version that is the newest. */
export const NEWEST_REVISION = "2.1";

function neighbours(version: string): readonly string[] {
  const [, minor = "", patch = "0"] = /^(.*\.)(\d+)$/.exec(version) ?? [];
  const older = Number(patch) > 0 ? [`${minor}${String(Number(patch) - 1)}-1.1`] : [];
  return [...older, `${version}-1.1`, `${version}-${NEWEST_REVISION}`, `${minor}${String(Number(patch) + 1)}-1.1`];
}

function plain(version: string): string {
  return version.replace(/-.*/, "");
}

function shell(...script: readonly string[]): string {
  return ["#!/bin/sh", ...script, ""].join("\n");
}

const KUBELET_UNIT = `[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`;

/** Ends as the real one does on a node that no cluster was made on. */
function kubelet(version: string): DebPackage {
  const missing =
    'err="failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: open /var/lib/kubelet/config.yaml: no such file or directory"';
  return {
    name: "kubelet",
    version,
    depends: ["iptables (>= 1.4.21)", "kubernetes-cni (>= 1.2.0)", "mount", "util-linux"],
    files: {
      "/usr/bin/kubelet": shell(
        `if [ "\${1-}" = --version ]; then echo Kubernetes v${plain(version)}; exit 0; fi`,
        `echo 'E0101 00:00:00.000000     1 run.go:72] "command failed" ${missing}' >&2`,
        "exit 1",
      ),
      "/usr/lib/systemd/system/kubelet.service": KUBELET_UNIT,
    },
  };
}

function kubeadm(version: string): DebPackage {
  const depends = ["cri-tools (>= 1.28.0)"];
  return { name: "kubeadm", version, depends, files: { "/usr/bin/kubeadm": shell(`echo v${plain(version)}`) } };
}

function kubectl(version: string): DebPackage {
  const script = shell(`echo "Client Version: v${plain(version)}"`);
  return { name: "kubectl", version, files: { "/usr/bin/kubectl": script } };
}

/** Images as containerd's CRI plugin tells of them: those that have its label. */
const CRICTL_IMAGES = [
  "  images)",
  "    $ctr images ls | awk '",
  '      function add(list, ref) { return list (list == "" ? "" : ",") "\\"" ref "\\"" }',
  "      NR == 1 || /^sha256:/ || !/io\\.cri-containerd\\.image=managed/ { next }",
  "      { seen[$3] }",
  "      $1 ~ /@/ { digests[$3] = add(digests[$3], $1) }",
  "      $1 !~ /@/ { tags[$3] = add(tags[$3], $1) }",
  "      END {",
  '        printf "{\\"images\\":["',
  "        for (id in seen) {",
  '          printf "%s{\\"id\\":\\"%s\\",\\"repoTags\\":[%s],\\"repoDigests\\":[%s]}", comma, id, tags[id], digests[id]',
  '          comma = ","',
  "        }",
  '        print "]}"',
  "      }' ;;",
] as const;

/** As much of crictl as a build and its checks ask for, by containerd's own client. */
function criToolsPackage(version: string): DebPackage {
  const crictl = shell(
    "set -eu",
    "ctr='ctr --namespace k8s.io'",
    "while [ $# -gt 0 ]; do case $1 in --*-endpoint) shift 2 ;; *) break ;; esac; done",
    "case ${1-} in",
    `  --version) echo "crictl version v${plain(version)}" ;;`,
    "  version)",
    "    number=$($ctr version | awk '/^Server:/ { server = 1 } server && $1 == \"Version:\" { print $2; exit }')",
    "    printf '%s\\n' 'Version:  0.1.0' 'RuntimeName:  containerd' \"RuntimeVersion:  $number\" 'RuntimeApiVersion:  v1' ;;",
    ...CRICTL_IMAGES,
    '  *) echo "crictl: no command ${1-}" >&2; exit 1 ;;',
    "esac",
  );
  return { name: "cri-tools", version, files: { "/usr/bin/crictl": crictl } };
}

function kubernetesCniPackage(version: string): DebPackage {
  const script = shell(`echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'`);
  const plugins = ["bandwidth", "bridge", "host-local", "loopback", "portmap"];
  return {
    name: "kubernetes-cni",
    version,
    files: Object.fromEntries(plugins.map((name) => [`/opt/cni/bin/${name}`, script])),
  };
}
