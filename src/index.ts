/** What templates and environments import: `import { defineTemplate, packages } from "kvci-build"`. */
export { cloudImage, fromTemplate, localDisk, packages } from "./core/base.ts";
export { defineEnvironment, type Environment } from "./core/environment.ts";
export type { ImageOp, LiveOp, ManifestEdit, Op } from "./core/op.ts";
export {
  copyIn,
  fetchIn,
  fetchManifest,
  loadImages,
  reboot,
  run,
  runFor,
  waitFor,
  writeFile,
} from "./core/op-makers.ts";
export type { Arch, Platform } from "./core/platform.ts";
export { freshBoot, maxAge, phase, volatile } from "./core/step-settings.ts";
export { defineStep, type Step } from "./core/step.ts";
export { defineTemplate, type Template, type TemplateInput } from "./core/template.ts";
export * from "./steps/index.ts";
