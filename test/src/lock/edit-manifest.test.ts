import assert from "node:assert/strict";
import fc from "fast-check";
import type { ManifestEdit } from "../../../src/core/op.ts";
import { editManifest } from "../../../src/lock/edit-manifest.ts";
import { parseManifest } from "../../../src/lock/manifest.ts";

const URL = "https://files.example/flannel.yaml";
const FIRST = `# Flannel, as published.
apiVersion: v1
kind: ConfigMap
metadata:
    name:   kube-flannel-cfg # odd spaces stay
data:
    net-conf.json: |
        { "Network": "10.244.0.0/16" }
`;
const SECOND = `---
# The daemon.
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: kube-flannel }
spec:
  template:
    spec:
      tolerations: []
      nodeSelector:
      containers:
        - name: init
          args: [--one]
        # The one that runs.
        - name: kube-flannel
          args:
            - --ip-masq # keep
`;
const TEXT = FIRST + SECOND;
const DAEMON = { kind: "DaemonSet", name: "kube-flannel" };
const POD = ["spec", "template", "spec"] as const;

function edited(...edits: ManifestEdit[]): string {
  return editManifest(TEXT, edits, URL);
}

function daemon(text: string): { spec: { template: { spec: Record<string, unknown> } } } {
  const found = parseManifest(text, URL).objects.find(({ kind }) => kind === "DaemonSet");
  return found?.value() as ReturnType<typeof daemon>;
}

describe("edit of a manifest", () => {
  it("replaces a value, in the object it names only", () => {
    const conf = '{\n  "Network": "10.1.0.0/16"\n}\n';
    const text = edited({
      object: { kind: "ConfigMap", name: "kube-flannel-cfg" },
      path: ["data", "net-conf.json"],
      value: conf,
    });
    assert.ok(text.endsWith(SECOND), "the other document is as it came");
    assert.match(text, /^# Flannel, as published\./);
    assert.match(text, /# odd spaces stay/);
    const [map] = parseManifest(text, URL).objects;
    assert.deepEqual(map?.value()["data"], { "net-conf.json": conf });
  });

  it("finds list items by index and by what they say, and appends", () => {
    const text = edited(
      {
        object: DAEMON,
        path: [...POD, "containers", { name: "kube-flannel" }, "args"],
        value: "--iface=eth1",
        append: true,
      },
      { object: DAEMON, path: [...POD, "containers", 0, "args", 0], value: "--two" },
      { object: DAEMON, path: [...POD, "tolerations"], value: { operator: "Exists" }, append: true },
    );
    assert.ok(text.startsWith(FIRST));
    assert.match(text, /# The one that runs\./);
    assert.match(text, /--ip-masq # keep/);
    assert.deepEqual(daemon(text).spec.template.spec, {
      tolerations: [{ operator: "Exists" }],
      nodeSelector: null,
      containers: [
        { name: "init", args: ["--two"] },
        { name: "kube-flannel", args: ["--ip-masq", "--iface=eth1"] },
      ],
    });
  });

  it("makes what is missing on the way, and fills what is empty", () => {
    const text = edited(
      { object: DAEMON, path: [...POD, "nodeSelector", "kubernetes.io/os"], value: "linux" },
      { object: DAEMON, path: ["metadata", "annotations", "a.example/b"], value: "on" },
      { object: DAEMON, path: [...POD, "volumes"], value: { name: "v" }, append: true },
      { object: DAEMON, path: [...POD, "dns", "options"], value: "x", append: true },
    );
    const { nodeSelector, volumes, dns } = daemon(text).spec.template.spec;
    assert.deepEqual(
      [nodeSelector, volumes, dns],
      [{ "kubernetes.io/os": "linux" }, [{ name: "v" }], { options: ["x"] }],
    );
    // Kubernetes reads YAML 1.1, in which a bare `on` is true.
    assert.match(text, /a\.example\/b: "on"/);
  });

  it("reaches the items of a list of objects", () => {
    const item = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: NAME }, data: { k: v } }";
    const text = `apiVersion: v1\nkind: List\nitems:\n  - ${item.replace("NAME", "a")}\n  - ${item.replace("NAME", "b")}\n`;
    const edit = { object: { kind: "ConfigMap", name: "b" }, path: ["data", "k"], value: "w" };
    const values = parseManifest(editManifest(text, [edit], URL), URL).objects.map((each) => each.value()["data"]);
    assert.deepEqual(values, [{ k: "v" }, { k: "w" }]);
  });

  for (const [what, edit, message] of [
    [
      "an object that is not there",
      { object: { kind: "Pod", name: "x" }, path: ["spec"], value: 1 },
      `${URL} has no Pod "x" to edit`,
    ],
    [
      "an item that is not there",
      { object: DAEMON, path: [...POD, "containers", { name: "none" }], value: 1 },
      `${URL}: DaemonSet "kube-flannel" has no item {"name":"none"} in the list at spec.template.spec.containers (edit of spec.template.spec.containers.{"name":"none"})`,
    ],
    [
      "an index beyond the list",
      { object: DAEMON, path: [...POD, "containers", 2], value: 1 },
      `${URL}: DaemonSet "kube-flannel" has no item 2 in the list at spec.template.spec.containers (edit of spec.template.spec.containers.2)`,
    ],
    [
      "a list that is not there",
      { object: DAEMON, path: [...POD, "volumes", 0], value: 1 },
      `${URL}: DaemonSet "kube-flannel" has no list at spec.template.spec.volumes (edit of spec.template.spec.volumes.0)`,
    ],
    [
      "keys of a text",
      { object: DAEMON, path: ["kind", "x"], value: 1 },
      `${URL}: DaemonSet "kube-flannel" has no keys at kind (edit of kind.x)`,
    ],
    [
      "an end of what is no list",
      { object: DAEMON, path: ["metadata"], value: 1, append: true },
      `${URL}: DaemonSet "kube-flannel" is not a list (edit of metadata)`,
    ],
  ] as const satisfies readonly (readonly [string, ManifestEdit, string])[]) {
    it(`of ${what} says so`, () => {
      assert.throws(() => edited(edit), { code: "manifest-invalid", message });
    });
  }

  it("of an object that is there twice is refused", () => {
    const edit = { object: { kind: "ConfigMap", name: "kube-flannel-cfg" }, path: ["data"], value: 1 };
    assert.throws(() => editManifest(`${FIRST}---\n${FIRST}`, [edit], URL), {
      code: "manifest-invalid",
      message: `${URL} has 2 objects ConfigMap "kube-flannel-cfg", and an edit is about one`,
    });
  });

  it("puts every value so that it comes back the same, and leaves all else", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (any) => {
        // JSON has no negative zero.
        const value = JSON.parse(JSON.stringify(any)) as unknown;
        const text = edited({ object: DAEMON, path: ["spec", "put"], value });
        assert.ok(text.startsWith(FIRST));
        assert.deepEqual(daemon(text), { ...daemon(TEXT), spec: { ...daemon(TEXT).spec, put: value } });
      }),
    );
  });
});
