/** The direction of dependencies, as docs/architecture.md draws it: what is named first may not know what is named later. */

const OURS = "^(src|builders|publishers|verify|templates|environments|launcher|test)/";
const ADAPTERS = ["machine", "disk", "oci", "store", "journal", "sbom"];
/** Packages that stand for an outside thing: one file of ours knows each, so that one file changes with it. */
const SDKS = ["commander", "execa", "log-update", "openpgp", "packageurl-js", "ssh2", "tar", "undici", "yaml"];

/** A folder that may know itself and `others`, and nothing else of ours. */
function layer(name, folder, others = []) {
  return {
    name,
    severity: "error",
    comment: `${folder} may import ${["itself", ...others].join(", ")} and packages`,
    from: { path: `^${folder}/` },
    to: { path: OURS, pathNot: [folder, ...others].map((each) => `^${each}${each.endsWith(".ts") ? "$" : "/"}`) },
  };
}

const adapters = [...ADAPTERS, "base"].map((name) => `src/${name}`);

export default {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      comment: "Imports of types count: two files that need each other are one file, or lack a third.",
      from: { path: OURS },
      to: { circular: true },
    },
    {
      name: "nothing-unresolved",
      severity: "error",
      comment: "An import that leads nowhere.",
      from: { path: OURS },
      to: { couldNotResolve: true, pathNot: "^kvci-build$" },
    },
    {
      name: "no-development-packages",
      severity: "error",
      comment: "What is published may only use what is installed with it.",
      from: { path: "^(src|builders|publishers|verify|templates|environments)/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    layer("core-knows-nothing", "src/core"),
    {
      name: "core-is-pure",
      severity: "error",
      comment: "No I/O in core: zod and node:crypto are all it may use.",
      from: { path: "^src/core/" },
      to: { dependencyTypes: ["npm", "core"], pathNot: ["node_modules/zod/", "^(node:)?crypto$"] },
    },
    layer("steps-know-core", "src/steps", ["src/core"]),
    layer("host-knows-core", "src/host", ["src/core"]),
    ...ADAPTERS.map((name) => layer(`${name}-knows-core-and-host`, `src/${name}`, ["src/core", "src/host"])),
    layer("base-knows-store", "src/base", ["src/core", "src/host", "src/store"]),
    layer("images-know-store", "src/images", ["src/core", "src/host", "src/store", "src/base", "src/oci", "src/disk"]),
    layer("bolt-knows-core", "src/bolt", ["src/core"]),
    layer("containerd-knows-images", "src/containerd", [
      "src/core",
      "src/host",
      "src/store",
      "src/oci",
      "src/images",
      "src/bolt",
    ]),
    layer("lock-knows-sources", "src/lock", ["src/core", "src/host", "src/store", "src/base", "src/images"]),
    layer("relay-knows-base", "src/relay", ["src/core", "src/host", "src/base"]),
    layer("publish-knows-store", "src/publish", ["src/core", "src/host", "src/store"]),
    layer("aws-knows-core", "src/aws", ["src/core", "src/host", "src/publish/retry.ts"]),
    layer("gcp-knows-core", "src/gcp", ["src/core", "src/host", "src/publish/retry.ts"]),
    layer("qemu-knows-adapters", "src/qemu", ["src/core", "src/host", ...adapters]),
    layer("builders-know-adapters", "builders", ["src/core", "src/host", "src/steps", "src/qemu", ...adapters]),
    layer("verify-knows-adapters", "verify", [
      "src/core",
      "src/host",
      "src/steps",
      "src/qemu",
      "src/aws",
      "src/gcp",
      ...adapters,
    ]),
    layer("pipeline-knows-adapters", "src/pipeline", ["src/core", "src/host", ...adapters]),
    layer("publishers-know-adapters", "publishers", [
      "src/core",
      "src/host",
      "src/publish",
      "src/aws",
      "src/gcp",
      ...adapters,
    ]),
    layer("templates-know-the-interface", "templates", ["src/core", "src/steps", "src/index.ts"]),
    layer("environments-know-the-interface", "environments", ["src/core", "src/index.ts"]),
    {
      name: "nobody-knows-cli",
      severity: "error",
      comment: "src/cli wires everything; whatever it has that others need belongs elsewhere.",
      from: { path: OURS, pathNot: "^(src/cli|test)/" },
      to: { path: "^src/cli/" },
    },
    {
      name: "product-knows-no-tests",
      severity: "error",
      comment: "Test code stays in test/.",
      from: { path: OURS, pathNot: "^test/" },
      to: { path: "^test/" },
    },
    {
      name: "template-loader-knows-acorn",
      severity: "error",
      comment: "Syntax trees of templates are the loader's own affair.",
      from: { path: OURS, pathNot: "^(src/cli/template-loader|test)/" },
      to: { path: "^node_modules/acorn/" },
    },
    ...SDKS.map((name) => ({
      name: `one-file-knows-${name}`,
      severity: "error",
      comment: `The adapter of ${name} is one file; import that instead.`,
      module: { path: `^node_modules/(@types/)?${name}/`, numberOfDependentsMoreThan: 1 },
      from: { path: "^(src|builders|publishers|verify)/" },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^test/golden/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["types", "import", "node", "default"] },
  },
};
