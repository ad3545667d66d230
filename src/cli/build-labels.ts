import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { jsonOf } from "../core/parse-json.ts";
import { readLayout } from "../oci/read-layout.ts";
import type { BuildRecord } from "../pipeline/build-record.ts";

type Labels = Readonly<Record<string, string>>;

/** What build and disk are is said by other fields already. */
const OWN = "io.kubevirt.kvci-build.";
/** Images in a node that tell a version by their tag. */
const TELLING = [
  ["kubernetes", /\/kube-apiserver:v?([\w.+-]+)$/],
  ["kubevirt", /\/virt-operator:v?([\w.+-]+)$/],
] as const;

const packageList = z.looseObject({
  distribution: z.string(),
  release: z.string(),
  packages: z.array(z.looseObject({ name: z.string(), version: z.string() })),
});

/**
 * What a build says of what is in it: versions of `os`, `kubernetes` and `kubevirt` as far as they are known, and the labels of its
 * image, where the template's own are.
 *
 * @throws {KvciError} `layout-invalid`
 */
export async function buildLabels(folder: string, record: BuildRecord): Promise<Labels> {
  const labels = await imageLabelsOf(folder, record);
  const shown = Object.entries(labels).filter(([name]) => !name.startsWith(OWN));
  return { ...(await installed(folder, record)), ...imported(record), ...Object.fromEntries(shown) };
}

async function imageLabelsOf(folder: string, { image, layered }: BuildRecord): Promise<Labels> {
  const own = image ?? layered;
  if (!own) return {};
  const { images } = await readLayout(join(folder, own.folder));
  return images.find(({ digest }) => digest === own.digest)?.config.config?.Labels ?? {};
}

function imported({ images }: BuildRecord): Labels {
  const found = (images?.list ?? []).flatMap(({ ref }) =>
    TELLING.flatMap(([name, pattern]) => {
      const version = pattern.exec(ref)?.[1];
      return version === undefined ? [] : [[name, version] as const];
    }),
  );
  return Object.fromEntries(found);
}

/** By kubelet's package: a node has it whether its control plane's images are in it or not. */
async function installed(folder: string, { packages: { file } }: BuildRecord): Promise<Labels> {
  const text = await readFile(join(folder, file), "utf8").catch(() => "");
  const { data } = packageList.safeParse(jsonOf(text));
  if (!data) return {};
  const kubelet = data.packages.find(({ name }) => name === "kubelet");
  const os = `${data.distribution} ${data.release}`;
  return kubelet ? { os, kubernetes: kubelet.version } : { os };
}
