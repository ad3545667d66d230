import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import type { FetchIn } from "../../../../src/core/op.ts";
import { editManifest } from "../../../../src/lock/edit-manifest.ts";
import { cniImages, cniManifests, type Cni, type CniManifestsInput, type Stack } from "../../../../src/steps/index.ts";
import { debian } from "../golden.ts";
import { CALICO, FLANNEL } from "./manifests.ts";

type Json = Record<string, unknown>;
interface Container {
  readonly name: string;
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
}

const fetched = (input: CniManifestsInput): FetchIn[] =>
  cniManifests(input)
    .ops(debian)
    .flatMap((op) => (op.kind === "fetch-in" ? [op] : []));

/** The manifest as the image has it: what is published, with the step's edits applied as a build applies them. */
function edited(cni: Cni, stack: Stack): Json[] {
  const [op] = fetched({ cni, stacks: [stack] });
  assert.ok(op);
  const text = editManifest(cni === "flannel" ? FLANNEL : CALICO, op.edits, op.url);
  return [...parseAllDocuments(text)].map((document) => document.toJS() as Json);
}

function objectOf(objects: readonly Json[], kind: string): Json {
  const found = objects.find((object) => object["kind"] === kind);
  assert.ok(found, kind);
  return found;
}

const dataOf = (objects: readonly Json[]): Record<string, string> =>
  objectOf(objects, "ConfigMap")["data"] as Record<string, string>;
const podOf = (object: Json): Json => ((object["spec"] as Json)["template"] as Json)["spec"] as Json;
const SPC = { seLinuxOptions: { type: "spc_t" } };

describe("flannel's manifest", () => {
  const netConf = (stack: Stack): Json => parse(dataOf(edited("flannel", stack))["net-conf.json"] ?? "") as Json;

  it("has the addresses of its stack, in a tunnel by nftables", () => {
    assert.deepEqual(netConf("dual"), {
      Network: "10.244.0.0/16",
      SubnetLen: 20,
      IPv6Network: "fd10:244::/56",
      EnableNFTables: true,
      EnableIPv4: true,
      EnableIPv6: true,
      Backend: { Type: "vxlan", MTU: 1480 },
    });
    assert.deepEqual(Object.keys(netConf("ipv6")).includes("Network"), false);
    assert.equal(netConf("ipv4")["EnableIPv6"], false);
  });

  it("leaves the rest of the configuration alone, and lets its containers write to the node under SELinux", () => {
    const objects = edited("flannel", "dual");
    assert.equal(dataOf(objects)["cni-conf.json"], '{ "name": "cbr0" }\n');
    assert.deepEqual(podOf(objectOf(objects, "DaemonSet"))["securityContext"], SPC);
  });

  it("comes with network policies", () => {
    assert.deepEqual(
      fetched({ cni: "flannel" }).map(({ path }) => path),
      [
        "/etc/kubernetes/cni/flannel-dual.yaml",
        "/etc/kubernetes/cni/flannel-ipv6.yaml",
        "/etc/kubernetes/cni/kube-network-policies.yaml",
      ],
    );
  });
});

describe("Calico's manifest", () => {
  const node = (stack: Stack): Json => podOf(objectOf(edited("calico", stack), "DaemonSet"));
  const settings = (stack: Stack): Record<string, string> => {
    const [container] = node(stack)["containers"] as Container[];
    return Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]));
  };
  const ipam = (stack: Stack): unknown => {
    const text = dataOf(edited("calico", stack))["cni_network_config"] ?? "";
    const { plugins } = parse(text.replace("__CNI_MTU__", "1450")) as { plugins: { ipam: unknown }[] };
    return plugins[0]?.ipam;
  };

  it("gives pods the addresses of its stack", () => {
    assert.deepEqual(ipam("dual"), { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" });
    assert.deepEqual(ipam("ipv6"), { type: "calico-ipam", assign_ipv4: "false", assign_ipv6: "true" });
    assert.deepEqual(ipam("ipv4"), { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "false" });
  });

  it("keeps the place of the MTU open for Calico to fill in", () => {
    assert.match(dataOf(edited("calico", "dual"))["cni_network_config"] ?? "", /"mtu": __CNI_MTU__,/);
  });

  it("has pools for its stack, and IPv6 on where it is wanted", () => {
    const dual = settings("dual");
    assert.equal(dual["CALICO_IPV4POOL_CIDR"], "10.244.0.0/16");
    assert.equal(dual["CALICO_IPV6POOL_CIDR"], "fd10:244::/112");
    assert.deepEqual([dual["FELIX_IPV6SUPPORT"], dual["IP"], dual["IP6"]], ["true", "autodetect", "autodetect"]);
    const ipv4 = settings("ipv4");
    assert.deepEqual([ipv4["FELIX_IPV6SUPPORT"], ipv4["IP6"]], ["false", undefined]);
  });

  it("finds its routers without IPv4 where there is none", () => {
    const ipv6 = settings("ipv6");
    assert.deepEqual([ipv6["IP"], ipv6["CALICO_IPV4POOL_IPIP"], ipv6["CALICO_ROUTER_ID"]], ["none", "Never", "hash"]);
    assert.equal(ipv6["CALICO_IPV4POOL_CIDR"], undefined);
  });

  it("has every image from quay.io, in one version, and is imported with those", () => {
    const objects = edited("calico", "dual");
    const pods = [podOf(objectOf(objects, "DaemonSet")), podOf(objectOf(objects, "Deployment"))];
    const containers = pods.flatMap((pod) => [pod["initContainers"] ?? [], pod["containers"]].flat() as Container[]);
    assert.deepEqual(
      containers.map(({ image }) => image),
      ["cni", "cni", "node", "node", "kube-controllers"].map((name) => `quay.io/calico/${name}:v3.26.5`),
    );
    const named = new Set(containers.map(({ image }) => image));
    assert.deepEqual(cniImages({ cni: "calico" }), { images: [...named].sort(), manifests: [] });
    assert.deepEqual(podOf(objectOf(objects, "Deployment"))["securityContext"], SPC);
  });

  it("comes in the version that is asked for", () => {
    const [op] = fetched({ cni: "calico", version: "3.30.2" });
    assert.match(op?.url ?? "", /\/v3\.30\.2\/manifests\/calico\.yaml$/);
    assert.ok(!JSON.stringify(op?.edits).includes("bandwidth"));
    assert.throws(() => fetched({ cni: "calico", version: "latest" }), { message: /a version such as/ });
  });
});
