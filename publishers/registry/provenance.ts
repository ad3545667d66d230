import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { ImageBuild } from "./image-build.ts";

/** Says what the fields of the statement's parameters mean: see docs/publishing.md. */
const BUILD_TYPE = "https://kubevirt.io/kvci-build/build/v1";
const BUILDER = "https://kubevirt.io/kvci-build";

/**
 * Where an image comes from, as an in-toto statement with SLSA's provenance: its subjects are the image and the raw disk in it.
 * It is not signed; whoever signs images signs this with them. Nothing in it depends on when or where it is published.
 */
export function provenance(image: ImageBuild): Buffer {
  const { template, arch, planId, content, base, createdAt, tools } = image;
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: "image", digest: digestSet(image.digest) },
      { name: "disk.raw", digest: digestSet(content) },
    ],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { template, arch },
        internalParameters: { planId },
        resolvedDependencies: [
          { name: "base", digest: digestSet(base), ...(image.baseUri ? { uri: image.baseUri } : {}) },
        ],
      },
      runDetails: {
        builder: { id: BUILDER, version: tools },
        metadata: { invocationId: planId, startedOn: createdAt },
      },
    },
  };
  return Buffer.from(canonicalJson(statement));
}

function digestSet(digest: string): Record<string, string> {
  const [algorithm = "", hex = ""] = digest.split(":");
  return { [algorithm]: hex };
}
