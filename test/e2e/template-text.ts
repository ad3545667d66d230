/** A template on the base that all tests share, with the given steps. */
export function templateText(name: string, steps: string, more = ""): string {
  return `import {
  copyIn, defineStep, defineTemplate, freshBoot, installPackages, maxAge, packages, reboot, run, volatile, waitFor, writeFile,
} from "kvci-build";
export default defineTemplate({
  name: ${JSON.stringify(name)},
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [${steps}],
  ${more}
});
`;
}
