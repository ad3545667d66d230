import assert from "node:assert/strict";
import type { AwsApi } from "../../../src/aws/clients.ts";
import { awsCaller } from "../../../src/aws/aws-caller.ts";
import { lookupsIn, managed } from "../../../publishers/aws/lookups.ts";

const { signal } = new AbortController();
const request = { action: "ec2:DescribeRegions", region: "us-east-1", input: {} } as const;

/** An API that gives one answer after the other; errors are thrown. */
class ScriptedApi implements AwsApi {
  readonly inputs: unknown[] = [];
  renewals = 0;
  readonly #answers: unknown[];

  constructor(...answers: readonly unknown[]) {
    this.#answers = [...answers];
  }

  send: AwsApi["send"] = ({ input }) => {
    this.inputs.push(input);
    const answer = this.#answers.shift();
    if (answer instanceof Error) return Promise.reject(answer);
    return Promise.resolve(answer as never);
  };

  renew(): void {
    this.renewals += 1;
  }
}

function failure(name: string, status: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } });
}

describe("AWS caller", () => {
  const options = { signal, baseMs: 1 };

  it("tries again what passes, and says when it was asked to slow down", async () => {
    const api = new ScriptedApi(failure("RequestLimitExceeded", 503), failure("InternalError", 500), { Regions: [] });
    let throttled = 0;
    await awsCaller(api).call(request, { ...options, onThrottled: () => (throttled += 1) });
    assert.deepEqual([api.inputs.length, throttled], [3, 1]);
  });

  it("does not try again what would fail again", async () => {
    const api = new ScriptedApi(failure("UnauthorizedOperation", 403));
    await assert.rejects(awsCaller(api).call(request, options), { code: "publish-denied" });
    assert.equal(api.inputs.length, 1);
  });

  it("reads the credentials anew, once", async () => {
    const renewed = new ScriptedApi(failure("ExpiredToken", 403), { Regions: [] });
    await awsCaller(renewed).call(request, options);
    assert.equal(renewed.renewals, 1);
    const ended = new ScriptedApi(failure("ExpiredToken", 403), failure("ExpiredToken", 403));
    await assert.rejects(awsCaller(ended).call(request, options), { code: "publish-denied" });
  });

  it("takes absence for an answer, or for lateness, as it is told", async () => {
    const gone = new ScriptedApi(failure("InvalidAMIID.NotFound", 400));
    assert.equal(await awsCaller(gone).find(request, options), undefined);
    const late = new ScriptedApi(failure("InvalidAMIID.NotFound", 400), { Regions: [] });
    assert.ok(await awsCaller(late).find(request, { ...options, absentForMs: 10_000 }));
    const never = new ScriptedApi(failure("InvalidAMIID.NotFound", 400));
    await assert.rejects(awsCaller(never).call(request, options), { code: "publish-failed" });
  });

  it("ends at the deadline", async () => {
    const api = new ScriptedApi(...Array.from({ length: 200 }, () => failure("InternalError", 500)));
    await assert.rejects(awsCaller(api, { deadlineMs: 20 }).call(request, options), { code: "publish-failed" });
  });

  it("reads all pages of what is the account's own, deprecated images included", async () => {
    const api = new ScriptedApi(
      { Images: [{ ImageId: "ami-1" }], NextToken: "next" },
      { Images: [{ ImageId: "ami-2" }] },
    );
    const images = await lookupsIn("us-east-1", awsCaller(api), options).images(managed);
    assert.deepEqual(
      images.map(({ id }) => id),
      ["ami-1", "ami-2"],
    );
    const [first, second] = api.inputs as Readonly<Record<string, unknown>>[];
    assert.deepEqual([first?.["Owners"], first?.["IncludeDeprecated"]], [["self"], true]);
    assert.equal(second?.["NextToken"], "next");
  });
});
