import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compareVersions, newerReleases, type ReleaseChange } from "../../../src/cli/bump-releases.ts";
import { parseReleases, rewriteReleases } from "../../../src/cli/bump-releases-file.ts";
import { assertGolden } from "./bump-golden.ts";

const TABLE = `{
  "1.36": { "version": "1.36.4", "pause": "3.10.1", "etcd": "3.6.8-0", "coreDns": "v1.14.2", "criTools": "1.36.0", "kubernetesCni": "1.9.1", "kubeadmApi": "v1beta4", "crio": "1.36" },
  "1.37": { "version": "1.37.1", "pause": "3.10.2", "etcd": "3.7.0-0", "coreDns": "v1.14.6", "criTools": "1.37.0", "kubernetesCni": "1.9.1", "kubeadmApi": "v1beta4", "crio": "1.37" }
}
`;
const RELEASES = parseReleases(TABLE);
const MARKERS = "https://dl.k8s.io/release";

/** A constants.go as far as it matters: names in other places are not taken. */
function constants(pause: string, etcd: string, coreDns: string): string {
  return `package constants

const (
	// PauseVersion = "0" is the default pause image version for kubeadm
	PauseVersion = "${pause}"
	// DefaultEtcdVersion indicates the default etcd version
	DefaultEtcdVersion = "${etcd}"
)

const CoreDNSVersion = "${coreDns}"
`;
}

function constantsUrl(version: string): string {
  return `https://raw.githubusercontent.com/kubernetes/kubernetes/v${version}/cmd/kubeadm/app/constants/constants.go`;
}

function answering(files: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const read = (url: string): Promise<string | undefined> => {
    asked.push(url);
    return Promise.resolve(files[url]);
  };
  return { asked, read };
}

const UPSTREAM = {
  [`${MARKERS}/stable-1.36.txt`]: "v1.36.5\n",
  [`${MARKERS}/stable-1.37.txt`]: "v1.37.1\n",
  [`${MARKERS}/stable.txt`]: "v1.38.0\n",
  [`${MARKERS}/stable-1.38.txt`]: "v1.38.0",
  [constantsUrl("1.36.5")]: constants("3.10.2", "3.6.8-0", "v1.14.2"),
  [constantsUrl("1.38.0")]: constants("3.11", "3.7.1-0", "v1.15.0"),
};

const NEWER = {
  minor: "1.36",
  from: RELEASES["1.36"],
  to: { ...RELEASES["1.36"], version: "1.36.5", pause: "3.10.2" },
} as ReleaseChange;
const NEW = {
  minor: "1.38",
  from: undefined,
  to: {
    ...RELEASES["1.37"],
    version: "1.38.0",
    pause: "3.11",
    etcd: "3.7.1-0",
    coreDns: "v1.15.0",
    criTools: "1.38.0",
    crio: "1.38",
  },
} as ReleaseChange;

describe("newer Kubernetes releases", () => {
  it("take etcd from kubeadm's table of minors before its default", async () => {
    const table = `\nvar SupportedEtcdVersion = map[uint8]string{\n\t35: "3.6.6-0",\n\t36: "3.6.9-0",\n}\n`;
    const files = { ...UPSTREAM, [constantsUrl("1.36.5")]: constants("3.10.2", "3.6.8-0", "v1.14.2") + table };
    const { read } = answering(files);
    const [change] = await newerReleases(RELEASES, { minors: ["1.36"], newMinors: false }, { read });
    assert.equal(change?.to.etcd, "3.6.9-0");
  });

  it("are those of the markers, with the images of their kubeadm, and a minor that is new", async () => {
    const scope = { minors: ["1.36", "1.37"], newMinors: true };
    assert.deepEqual(await newerReleases(RELEASES, scope, answering(UPSTREAM)), [NEWER, NEW]);
  });

  it("are looked for in the minors that are asked for", async () => {
    const source = answering(UPSTREAM);
    assert.deepEqual(await newerReleases(RELEASES, { minors: ["1.37"], newMinors: false }, source), []);
    assert.deepEqual(source.asked, [`${MARKERS}/stable-1.37.txt`]);
  });

  it("are never older ones", async () => {
    const source = answering({ [`${MARKERS}/stable-1.37.txt`]: "v1.37.0" });
    assert.deepEqual(await newerReleases(RELEASES, { minors: ["1.37"], newMinors: false }, source), []);
  });

  const early = { ...NEW.to, version: "1.38.0-rc.0", criTools: "1.37.0", crio: "1.37" };
  const withEarly = { ...RELEASES, "1.38": early };

  it("of a minor that is not released are pre-releases", async () => {
    const source = answering({
      [`${MARKERS}/latest-1.38.txt`]: "v1.38.0-rc.1",
      [constantsUrl("1.38.0-rc.1")]: constants("3.11", "3.7.1-0", "v1.15.0"),
    });
    const [change] = await newerReleases(withEarly, { minors: ["1.38"], newMinors: false }, source);
    assert.deepEqual(change?.to, { ...early, version: "1.38.0-rc.1" });
  });

  it("take their own packages when the minor is released", async () => {
    const [change] = await newerReleases(withEarly, { minors: ["1.38"], newMinors: false }, answering(UPSTREAM));
    assert.deepEqual(change?.to, NEW.to);
  });

  it("name the URL of an answer that is none", async () => {
    const scope = { minors: ["1.36"], newMinors: false };
    const url = `${MARKERS}/stable-1.36.txt`;
    await assert.rejects(newerReleases(RELEASES, scope, answering({ [url]: "<html>" })), {
      code: "download-failed",
      message: `${url}: it says "<html>", which is no version`,
    });
    await assert.rejects(newerReleases(RELEASES, scope, answering({ [url]: "v1.36.9" })), {
      message: `${constantsUrl("1.36.9")}: there is no such file`,
    });
    const source = answering({ [url]: "v1.36.9", [constantsUrl("1.36.9")]: 'PauseVersion = "3.10"\n' });
    await assert.rejects(newerReleases(RELEASES, scope, source), {
      message: `${constantsUrl("1.36.9")}: it does not say DefaultEtcdVersion`,
    });
  });
});

describe("versions", () => {
  it("are in order by number, pre-releases before their release", () => {
    const order = [
      "1.9.10",
      "1.31.2",
      "1.31.10",
      "1.38.0-alpha.9",
      "1.38.0-beta.0",
      "1.38.0-rc.1",
      "1.38.0-rc.10",
      "1.38.0",
    ];
    assert.deepEqual([...order].reverse().sort(compareVersions), order);
  });
});

describe("the table of releases", () => {
  it("keeps its form when entries change and one is added", async () => {
    await assertGolden("versions.json", rewriteReleases(TABLE, [NEWER, NEW], "versions.json"));
  });

  it("that comes with kvci-build can be rewritten, and differs in what changed only", () => {
    const text = readFileSync(join(import.meta.dirname, "../../../templates/kubernetes/versions.json"), "utf8");
    const [minor = "", from] = Object.entries(parseReleases(text)).at(-1) ?? [];
    assert.ok(from);
    const to = { ...from, version: `${minor}.99` };
    const rewritten = rewriteReleases(text, [{ minor, from, to }], "versions.json");
    assert.equal(rewritten, text.replace(`"${from.version}"`, `"${to.version}"`));
    assert.equal(rewriteReleases(text, [], "versions.json"), text);
  });

  it("is not rewritten when it has another form", () => {
    const spread = JSON.stringify(JSON.parse(TABLE), null, 2);
    assert.throws(() => rewriteReleases(spread, [NEWER], "data/versions.json"), {
      code: "template-invalid",
      message: /^data\/versions\.json is not one line per minor/,
    });
  });

  it("gets no entry whose parts do not exist together", () => {
    const to = { ...NEWER.to, etcd: "3.5.24-0" };
    assert.throws(() => rewriteReleases(TABLE, [{ ...NEWER, to }], "versions.json"), { code: "template-invalid" });
  });
});
