import assert from "node:assert/strict";
import type { BuiltLayer } from "../../../src/core/builder.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { KvciError } from "../../../src/core/error.ts";
import type { PlannedImage, PlannedOp } from "../../../src/core/op.ts";
import type { Plan, PlannedStep } from "../../../src/core/plan.ts";
import { checkImageBudget, checkLayerBudget } from "../../../src/pipeline/layer-budget.ts";

const MIB = 1024 ** 2;

function image(name: string): PlannedImage {
  return { ref: `registry.example/${name}:1`, digest: sha256(name), manifest: sha256(`manifest of ${name}`) };
}

function step(name: string, phase: string, ops: readonly PlannedOp[]): PlannedStep {
  return { name, key: sha256(name), ops, phase };
}

function layer(step: string, mib: number): BuiltLayer {
  const key = sha256(step);
  return { id: step, key, path: `/${step}`, digest: key, bytes: mib * MIB, virtualBytes: 0, step };
}

const IMAGES = [image("small"), image("large")];
const STEPS = [
  step("install", "node", [{ kind: "run", argv: ["apt-get", "install", "-y", "kubelet=1.31.2-1", "socat"] }]),
  step("images", "images", [{ kind: "load-images", runtime: "containerd", images: IMAGES }]),
];
const LAYERS = [layer("first boot", 3), layer("install", 20), layer("images", 40)];
const PACKAGES = [
  { name: "kubelet", version: "1.31.2-1", arch: "amd64", installedBytes: 60 * MIB },
  { name: "socat", version: "1.7", arch: "amd64", installedBytes: 1 * MIB },
  { name: "bash", version: "5.2", arch: "amd64", installedBytes: 7 * MIB },
];

function planOf(maxLayerMiB: Plan["maxLayerMiB"]): Pick<Plan, "maxLayerMiB" | "disk" | "images"> {
  const disk = { steps: STEPS } as unknown as Plan["disk"];
  return { maxLayerMiB, disk, images: IMAGES.map((each, index) => ({ ...each, bytes: (index + 1) * 10 * MIB })) };
}

function errorOf(work: () => void): KvciError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof KvciError);
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

describe("budget of a layer", () => {
  const check = (limits: Plan["maxLayerMiB"]): void => {
    checkLayerBudget(planOf(limits), { layers: LAYERS, packages: PACKAGES });
  };

  it("is what the layers of a phase take together, and none where none is named", () => {
    check({});
    check({ node: 23, images: 40, other: 1 });
  });

  it("names the phase, its limit and size, and what a package installation brought", () => {
    const { code, message, evidence, hint } = errorOf(() => check({ node: 22 }));
    assert.equal(code, "budget-exceeded");
    assert.equal(message, 'phase "node" may take 22.0 MiB, but its layers take 23.0 MiB');
    assert.deepEqual(
      evidence.map((line) => line.trim()),
      [
        "60.0 MiB  package kubelet, installed",
        "20.0 MiB  layer of step install",
        "3.0 MiB  layer of step first boot",
        "1.0 MiB  package socat, installed",
      ],
    );
    assert.match(hint, /maxLayerMiB\.node/);
  });

  it("names images by their own size, the largest first", () => {
    const { evidence } = errorOf(() => check({ images: 39 }));
    assert.deepEqual(
      evidence.map((line) => line.trim()),
      [
        "40.0 MiB  layer of step images",
        "20.0 MiB  image registry.example/large:1, compressed",
        "10.0 MiB  image registry.example/small:1, compressed",
      ],
    );
  });

  it("is held against images before they are imported, what they share counted once", () => {
    const asked: (readonly PlannedImage[])[] = [];
    const bytesOf = (images: readonly PlannedImage[]): number => {
      asked.push(images);
      return 25 * MIB;
    };
    checkImageBudget(planOf({ images: 25 }), bytesOf);
    const { code, message } = errorOf(() => checkImageBudget(planOf({ images: 24 }), bytesOf));
    assert.deepEqual(asked, [IMAGES, IMAGES]);
    assert.equal(code, "budget-exceeded");
    assert.equal(message, 'phase "images" may take 24.0 MiB, but its container images alone take 25.0 MiB');
  });
});
