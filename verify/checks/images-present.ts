import { z } from "zod";
import { fail, labelled, pass, type Check, type CheckContext, type Subject, type Verdict } from "../check.ts";
import type { LoadedImage } from "../disk-under-test.ts";

/**
 * Asks crictl, because kubelet sees what crictl sees, and containerd's own client beside it: containerd tells crictl no
 * digest for an image that was imported by its tag.
 */
export const imagesPresent: Check = {
  name: "images-present",
  proves: "Every container image that the build put in is listed by the runtime, by name and digest.",
  timeoutMs: 180_000,
  // 400 bytes an image as crictl tells it.
  answerLimitBytes: 1024 * 1024,
  probe: `
if command -v crictl >/dev/null; then
  if list=$(timeout 120 crictl images -o json 2>/dev/null); then
    echo "crictl: $(echo "$list" | tr -d '\\n')"
  else
    echo "silent: $({ timeout 60 crictl images 2>&1 || true; } | tail -n 1 | cut -c1-300)"
  fi
fi
if command -v ctr >/dev/null && systemctl -q is-active containerd.service; then
  timeout 120 ctr -n k8s.io images ls | awk 'NR > 1 { print "ctr: " $1 " " $3 }'
fi`,
  judge(subjects, context): Verdict {
    const wanted = context.disk.images?.list ?? [];
    const complaints = subjects.flatMap((subject) =>
      complain(subject, context).map((text) => `${subject.name}: ${text}`),
    );
    if (complaints.length > 0) return fail(complaints);
    return pass(wanted.length === 0 ? "the build put none in" : `all ${String(wanted.length)}, by digest`);
  },
};

const names = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
const crictlImages = z.object({ images: z.array(z.object({ repoTags: names, repoDigests: names })) });

/** Digests by name: `registry/repository:tag`, and `registry/repository` for an image without a tag. */
type Listed = ReadonlyMap<string, ReadonlySet<string>>;

function complain({ output }: Subject, { disk }: CheckContext): string[] {
  const wanted = disk.images?.list ?? [];
  if (wanted.length === 0) return [];
  const silent = labelled(output, "silent")[0];
  if (silent !== undefined) return [`crictl does not list images: ${silent}`];
  const listed = listedBy(output);
  if (listed === undefined) return ["crictl's list of images cannot be read"];
  return wanted.flatMap((image) => complainOf(image, listed));
}

function complainOf({ ref, digest, manifest }: LoadedImage, listed: Listed): string[] {
  const digests = listed.get(nameOf(ref));
  if (digests === undefined) return [`${ref} is missing`];
  if (digests.has(digest) || digests.has(manifest)) return [];
  const have = digests.size === 0 ? "no digest" : [...digests].join(" and ");
  return [`${ref} has ${have}, not ${digest}`];
}

/** A tag beside a digest is only there to be read: the digest counts. */
function nameOf(ref: string): string {
  const at = ref.indexOf("@");
  return at < 0 ? ref : ref.slice(0, at).replace(/:[^:/]*$/, "");
}

function listedBy(output: string): Listed | undefined {
  const text = labelled(output, "crictl")[0];
  const fromCtr = labelled(output, "ctr").map((line): [string, string] => {
    const [ref = "", digest = ""] = line.split(" ");
    return [nameOf(ref), digest];
  });
  if (text === undefined) {
    return gather(
      fromCtr,
      fromCtr.map(([name]) => name),
    );
  }
  const images = parseImages(text);
  if (images === undefined) return undefined;
  const fromCrictl = images.flatMap(({ repoTags, repoDigests }) =>
    repoDigests.flatMap((ref) => namesOf(ref, repoTags).map((name): [string, string] => [name, digestOf(ref)])),
  );
  // Only what crictl lists is there for kubelet; containerd's client adds digests to it.
  const known = images.flatMap(({ repoTags, repoDigests }) => [...repoTags, ...repoDigests.map(nameOf)]);
  return gather([...fromCrictl, ...fromCtr], known);
}

/** A digest counts for its repository and for every tag of the image in that repository. */
function namesOf(digestRef: string, tags: readonly string[]): string[] {
  const repository = nameOf(digestRef);
  return [repository, ...tags.filter((tag) => tag.replace(/:[^:/]*$/, "") === repository)];
}

function digestOf(ref: string): string {
  return ref.slice(ref.indexOf("@") + 1);
}

function gather(pairs: readonly (readonly [string, string])[], names: readonly string[]): Listed {
  const listed = new Map(names.map((name) => [name, new Set<string>()]));
  for (const [name, digest] of pairs) listed.get(name)?.add(digest);
  return listed;
}

function parseImages(text: string): z.output<typeof crictlImages>["images"] | undefined {
  try {
    return crictlImages.parse(JSON.parse(text)).images;
  } catch {
    return undefined;
  }
}
