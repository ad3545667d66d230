import assert from "node:assert/strict";
import { readAnswer, type DnfPlace } from "../../../../src/lock/packages/dnf-answer.ts";

const places: readonly DnfPlace[] = [
  {
    name: "kubernetes",
    baseUrl: "https://pkgs.example.org/rpm/",
    fetchedFrom: "http://127.0.0.1:1/https/pkgs.example.org/rpm/",
    signedIndex: true,
    keyFiles: [],
  },
];
const refused = (answer: object, expected: { code: string; message: RegExp }): void => {
  assert.throws(() => readAnswer(JSON.stringify(answer), { set: "install-kubelet", places }), expected);
};

describe("answer of dnf", () => {
  it("is what it would install, or the files of its indexes", () => {
    const files = [{ repository: "kubernetes", location: "repodata/repomd.xml" }];
    assert.deepEqual(readAnswer(JSON.stringify({ files }), { set: "", places }), { files });
    assert.deepEqual(readAnswer('{"packages":[]}', { set: "", places }), { packages: [] });
  });

  it("is an error that names the package and the versions there are", () => {
    const missing = {
      error: "missing",
      name: "kubelet",
      spec: "kubelet-1.31.99-*",
      versions: ["1.31.14-1", "1.31.13-1"],
    };
    refused(missing, {
      code: "packages-unresolvable",
      message: /no repository offers kubelet 1\.31\.99-\* for install-kubelet: there are 1\.31\.14-1, 1\.31\.13-1$/,
    });
    refused(
      { ...missing, spec: "kubelet", versions: [] },
      { code: "packages-unresolvable", message: /offers kubelet for install-kubelet: no version of it is there$/ },
    );
    refused(
      { error: "unsolvable", detail: "nothing provides gone" },
      { code: "packages-unresolvable", message: /cannot be installed together/ },
    );
  });

  it("is an error that names the repository by the place that the template knows", () => {
    const detail = "repomd.xml GPG signature verification error";
    refused(
      { error: "signature", repository: "kubernetes", detail },
      {
        code: "signature-invalid",
        message: /repository "kubernetes" \(https:\/\/pkgs\.example\.org\/rpm\/\) is not signed/,
      },
    );
    refused({ error: "digest", repository: "kubernetes", detail }, { code: "digest-mismatch", message: /kubernetes/ });
    refused(
      { error: "download", repository: "kubernetes", detail },
      {
        code: "download-failed",
        message: /cannot fetch https:\/\/pkgs\.example\.org\/rpm\/repodata\/repomd\.xml$/,
      },
    );
  });

  it("is refused when it is none", () => {
    assert.throws(() => readAnswer('{"packages":[{}]}', { set: "", places }));
  });
});
