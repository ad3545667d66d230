import { awsTags, MANAGED_TAG, type Tags } from "../../src/aws/managed-tags.ts";
import type { ImagePlan } from "./image-plan.ts";

/** Tags of everything that is made here. */
export const TAGS = {
  managed: MANAGED_TAG,
  content: "kvci:content",
  attributes: "kvci:attrs",
  release: "kvci:release",
  template: "kvci:template",
  version: "kvci:version",
  arch: "kvci:arch",
} as const;

/** Nothing of a run in them: a token stands for the same request in every run. */
export function tagsOf({
  name,
  template,
  version,
  arch,
  content,
  attributes,
}: ImagePlan): { Key: string; Value: string }[] {
  return awsTags({
    Name: name,
    [TAGS.managed]: "true",
    [TAGS.content]: content,
    [TAGS.attributes]: attributes,
    [TAGS.release]: `${template} ${version} ${arch}`,
    [TAGS.template]: template,
    [TAGS.version]: version,
    [TAGS.arch]: arch,
  });
}

/** @returns whether something is what the plan wants, by its tags. */
export function hasTagsOf(tags: Tags, { content, attributes }: Pick<ImagePlan, "content" | "attributes">): boolean {
  return tags[TAGS.managed] === "true" && tags[TAGS.content] === content && tags[TAGS.attributes] === attributes;
}
