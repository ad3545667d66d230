import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ERRORS } from "../../src/core/error.ts";
import { PRICED_UNITS, targetSchema } from "../../src/core/target.ts";
import { PHASES } from "../../src/publish/phase.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const publishing = read("docs/publishing.md");

const policySchema = z.object({
  Version: z.literal("2012-10-17"),
  Statement: z.array(z.object({ Action: z.union([z.string(), z.array(z.string())]) })),
});

/** Actions of the policy that the page tells people to use. */
function documentedActions(): Set<string> {
  const json = /```json\n([\s\S]*?)```/.exec(read("docs/publishing-aws.md"))?.[1] ?? "";
  return new Set(policySchema.parse(JSON.parse(json)).Statement.flatMap(({ Action }) => Action));
}

/** Every permission that a call to Google Cloud is made under, or that the plan asks for. */
function namedPermissions(): string[] {
  const sources = globSync("{src,publishers}/gcp/*.ts", { cwd: root }).map(read);
  const found = sources.flatMap((text) => text.match(/(?<=")(?:compute|storage)\.[a-z]\w+\.[a-z]\w+(?=")/gi) ?? []);
  return [...new Set(found)].sort();
}

describe("pages about publishing", () => {
  it("tell of every error of publishing, with its exit status", () => {
    for (const [code, { exit }] of Object.entries(ERRORS)) {
      if (!code.startsWith("publish-")) continue;
      assert.ok(publishing.includes(`| \`${code}\` | ${String(exit)} |`), `${code} ${String(exit)}`);
    }
  });

  it("give no error another exit status than the table of errors", () => {
    const rows = [...publishing.matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm)];
    const wrong = rows.filter(
      ([, code = "", exit]) => String(new Map(Object.entries(ERRORS)).get(code as never)?.exit) !== exit,
    );
    assert.ok(rows.length > 10);
    assert.deepEqual(
      wrong.map(([row]) => row),
      [],
    );
  });

  it("name every phase, in order", () => {
    const rows = PHASES.map((phase) => publishing.indexOf(`\n| \`${phase}\` |`));
    assert.ok(rows.every((at) => at > 0));
    assert.deepEqual(
      rows,
      rows.toSorted((a, b) => a - b),
    );
  });

  it("explain every key of every kind of target", () => {
    const [, targets = ""] = read("docs/environments.md").split("\n## Targets\n");
    for (const option of targetSchema.options) {
      const { kind, ...keys } = option.shape;
      const [section = ""] = targets.split(`\n\`kind: "${kind.value}"\`\n`)[1]?.split("\n`kind:") ?? [];
      const cells = [...section.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = ""]) => cell).join(", ");
      for (const key of Object.keys(keys)) assert.ok(cells.includes(`\`${key}\``), `${kind.value} ${key}`);
    }
  });

  it("name every unit that may have a price", () => {
    const page = read("docs/environments.md");
    assert.deepEqual(
      PRICED_UNITS.filter((unit) => !page.includes(`\`${unit}\``)),
      [],
    );
  });

  it("explain every option of the command", () => {
    const options = new Set(read("src/cli/verbs/publish.ts").match(/(?<=")(?:-v, )?--[a-z-]+/g));
    const names = [...options].map((option) => option.replace("-v, ", ""));
    assert.ok(names.length > 10);
    assert.deepEqual(
      names.filter((name) => !publishing.includes(`\`${name}`)),
      [],
    );
  });

  it("explain every field of published-images.json", () => {
    const keys = [...read("src/publish/published-images.ts").matchAll(/^ {2}(\w+): z\b/gm)].map(([, key = ""]) => key);
    const rows = publishing.match(/^\| `\w+`.*$/gm)?.join("\n") ?? "";
    assert.ok(keys.length > 10);
    assert.deepEqual(
      keys.filter((key) => !rows.includes(`\`${key}\``) && !publishing.includes(`"${key}": `)),
      [],
    );
  });

  it("have a policy for AWS that allows every call that is made", () => {
    const calls = [...read("src/aws/clients.ts").matchAll(/^ {2}"([a-z0-9]+:\w+)": Call</gm)].map(
      ([, action = ""]) => action,
    );
    assert.ok(calls.length > 20);
    const documented = documentedActions();
    assert.deepEqual(
      calls.filter((action) => !documented.has(action)),
      [],
    );
  });

  it("have a policy that AWS takes as one document", () => {
    const json = /```json\n([\s\S]*?)```/.exec(read("docs/publishing-aws.md"))?.[1] ?? "";
    // Characters of a managed policy, white space aside.
    assert.ok(json.replace(/\s/g, "").length <= 6144);
  });

  it("name every permission of Google Cloud that is asked for", () => {
    const page = read("docs/publishing-gcp.md");
    assert.ok(namedPermissions().length > 5);
    assert.deepEqual(
      namedPermissions().filter((permission) => !page.includes(permission)),
      [],
    );
  });

  it("link to pages and headings that are there", () => {
    const dead = globSync("docs/publishing*.md", { cwd: root }).flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].flatMap(([link, path = "", heading]) => {
        const target = path === "" ? page : join(dirname(page), path);
        const isThere = existsSync(join(root, target));
        return isThere && (heading === undefined || headings(read(target)).includes(heading))
          ? []
          : [`${page}: ${link}`];
      }),
    );
    assert.deepEqual(dead, []);
  });
});

/** Anchors as GitHub makes them. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
