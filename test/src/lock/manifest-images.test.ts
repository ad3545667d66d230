import assert from "node:assert/strict";
import { manifestImages } from "../../../src/lock/manifest-images.ts";

const URL = "https://files.example/addon.yaml";
const DIGEST = `sha256:${"a".repeat(64)}`;

const OPERATOR = `# An operator as they come.
apiVersion: v1
kind: Namespace
metadata: { name: addon }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: things.addon.example }
spec: { example: { image: quay.example/not/this:v1 } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: operator }
spec:
  template:
    spec:
      initContainers:
        - { name: init, image: busybox }
      containers:
        - name: operator
          image: quay.io/addon/operator:v1.2@${DIGEST}
          args:
            - --sidecar-image=addon/sidecar:v3
            - --reloader=quay.io/addon/reloader:v0.7
            - --listen=0.0.0.0:8080
            - --url=https://docs.example/path:1
            - --mode=fast
          env:
            - { name: WORKER_IMAGE, value: "addon/worker:v1" }
            - { name: PLAIN, value: registry.example:5000/addon/plain:v2 }
            - { name: WORD, value: hello }
            - { name: VERSIONED, value: "name:v2" }
            - { name: HOST, value: service.example:8080/path }
      ephemeralContainers:
        - { name: debug, image: localhost/debug:1 }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data:
  CSI_IMAGE: "quay.io/csi/plugin:v3.12"
  text: |
    image: quay.io/inside/text:v1
---
apiVersion: addon.example/v1
kind: Cluster
metadata: { name: cluster }
spec: { image: quay.io/ceph/ceph:v18, other: { image: [1] } }
`;

describe("images of a manifest", () => {
  it("are those of containers, custom resources, and where operators are told theirs, as whole references", () => {
    assert.deepEqual(manifestImages(OPERATOR, URL).images, [
      "docker.io/addon/sidecar:v3",
      "docker.io/addon/worker:v1",
      "docker.io/library/busybox:latest",
      "localhost/debug:1",
      "quay.io/addon/operator:v1.2@" + DIGEST,
      "quay.io/addon/reloader:v0.7",
      "quay.io/ceph/ceph:v18",
      "quay.io/csi/plugin:v3.12",
      "registry.example:5000/addon/plain:v2",
    ]);
  });

  it("say which had no tag", () => {
    assert.deepEqual(manifestImages(OPERATOR, URL).untagged, ["docker.io/library/busybox:latest"]);
  });

  it("are found in lists and in JSON", () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: { containers: [{ image: "a.example/b:1" }] },
    };
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: [pod] });
    assert.deepEqual(manifestImages(list, URL).images, ["a.example/b:1"]);
  });

  it("are not those that Istio's webhook fills in", () => {
    const pod = "apiVersion: v1\nkind: Pod\nspec: { containers: [{ image: auto }, { name: none }] }\n";
    assert.deepEqual(manifestImages(pod, URL).images, []);
  });

  it("are no templates", () => {
    const text =
      'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [{ image: "{{ .Values.image }}" }] }\n';
    assert.throws(() => manifestImages(text, URL), {
      code: "manifest-invalid",
      message: `${URL}: Pod p has a container of image "{{ .Values.image }}"`,
    });
  });

  it("of a file as large as a config map may be take no time", () => {
    const data = `${"a.".repeat(300_000)}b`;
    const text = JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "m" },
      data: { image: data },
    });
    const startedMs = performance.now();
    assert.deepEqual(manifestImages(text, URL).images, []);
    assert.ok(performance.now() - startedMs < 3_000);
  });
});

describe("manifest", () => {
  for (const [what, text, reason] of [
    ["a web page", "<!DOCTYPE html><html><body>Sign in</body></html>", "it is a web page"],
    ["a page without a declaration", "\n<html lang=en>", "it is a web page"],
    ["nothing", "# only a comment\n", "there is no Kubernetes object in it"],
    ["a text", "Not found", 'it holds "Not found" instead of an object'],
    ["a list", "- a\n", "it holds a list instead of an object"],
    ["values of a chart", "image: nginx\n", "it holds a map without apiVersion and kind instead of an object"],
    [
      "an item that is none",
      "apiVersion: v1\nkind: List\nitems: [1]\n",
      'item 0 of its List is "1" instead of an object',
    ],
    ["broken YAML", "a: [", "Flow sequence in block collection must be"],
  ] as const) {
    it(`that is ${what} is refused`, () => {
      assert.throws(
        () => manifestImages(text, URL),
        (error: { code?: string; message?: string }) => {
          assert.equal(error.code, "manifest-invalid");
          assert.ok(error.message?.startsWith(`${URL} is not a Kubernetes manifest: ${reason}`), error.message);
          return true;
        },
      );
    });
  }

  it("whose aliases would fill the memory is refused", () => {
    const levels = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(",")}]`);
    const text = ["apiVersion: v1", "kind: Pod", "l0: &l0 [x]", ...levels].join("\n");
    assert.throws(() => manifestImages(text, URL), { code: "manifest-invalid" });
  });
});
