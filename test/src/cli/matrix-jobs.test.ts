import assert from "node:assert/strict";
import { buildJobs, madeAfter, madeWith } from "../../../src/cli/matrix-jobs.ts";
import type { PlannedTemplate } from "../../../src/cli/plans.ts";
import { plannedOf } from "./planned.ts";

function ids(planned: readonly PlannedTemplate[]): string[] {
  return buildJobs(planned, { shared: true }).map(({ id }) => id);
}

describe("the builds of a run", () => {
  const low = plannedOf("low", ["a", "b"]);
  const top = plannedOf("top", ["c"], { parent: low });

  it("are each template and architecture once, those that others are based on before them", () => {
    const other = plannedOf("other", [], { parent: low });
    assert.deepEqual(ids([top, other, top]), ["low amd64", "top amd64", "other amd64"]);
    assert.deepEqual(ids([plannedOf("low", ["a"], { arch: "arm64" }), low]), ["low arm64", "low amd64"]);
  });

  it("know which of them were asked for, and what has to be done before", () => {
    const jobs = buildJobs([top], { shared: true });
    assert.deepEqual(
      jobs.map(({ asked, after }) => [asked, after]),
      [
        [false, []],
        [true, ["low amd64"]],
      ],
    );
    assert.deepEqual(
      buildJobs([top, low], { shared: true }).map(({ asked }) => asked),
      [true, true],
    );
  });

  it("make the base, the first boot's disk, and each step's, which templates with the same beginning share", () => {
    const [one, other] = buildJobs([low, plannedOf("alike", ["a", "x"])], { shared: true });
    assert.equal(one?.makes.length, 4);
    assert.deepEqual(one.makes.slice(0, 3), other?.makes.slice(0, 3));
    assert.notEqual(one.makes[3], other?.makes[3]);
    assert.deepEqual(buildJobs([low], { shared: false })[0]?.makes, []);
  });

  it("share nothing from a step on that is never kept", () => {
    const [job] = buildJobs([plannedOf("always", ["a", "!b", "c"])], { shared: true });
    assert.equal(job?.makes.length, 3);
  });

  it("have so much made when a layer is there", () => {
    assert.deepEqual([madeWith(0), madeWith(1), madeWith(3)], [0, 2, 4]);
    assert.deepEqual(
      ["first boot", "a", "b"].map((step) => madeAfter(low.plan, step)),
      [2, 3, 4],
    );
  });

  it("are not two of one name, for they would be built into one folder", () => {
    const stranger = plannedOf("low", [], { file: "/elsewhere/low.ts" });
    assert.throws(() => buildJobs([low, stranger], { shared: true }), {
      code: "usage",
      message: 'two files make a template called "low"',
      evidence: ["/templates/low.ts", "/elsewhere/low.ts"],
    });
  });
});
