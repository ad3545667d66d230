import { bounded } from "../../src/core/bounded.ts";
import type { PreflightFinding } from "../../src/publish/publisher.ts";
import { minimalPolicy } from "../../src/aws/aws-errors.ts";
import type { CallOptions } from "../../src/aws/aws-caller.ts";
import { bootFinding } from "./boot-table.ts";
import { dryRuns } from "./dry-runs.ts";
import { policyFindings } from "./policy-findings.ts";
import { quotaFinding } from "./quota-finding.ts";
import { REGIONS_AT_ONCE } from "./observe.ts";
import type { BusyRegion, Finding, PreflightPorts, PreflightRequest } from "./preflight-request.ts";
import { isEnabled, type RegionState } from "./state.ts";

const EBS_ACTIONS = ["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"];
const SSM_ACTIONS = ["ssm:PutParameter", "ssm:DeleteParameter", "ssm:AddTagsToResource"];

/**
 * Everything that others find out at the end: rights, quotas, policies, regions. Asks only where there is something to do, so a
 * release that is published already is not asked about.
 */
export async function preflight(
  request: PreflightRequest,
  ports: PreflightPorts,
  options: CallOptions,
): Promise<readonly PreflightFinding[]> {
  const { state, steps, builds } = request;
  const { region: home, name } = ports.target;
  const busy = state.regions
    .filter((region) => isEnabled(region) && region.problem === null)
    .map((region) => ({ region, steps: steps.filter(({ place }) => place === region.region), request, ports, options }))
    .filter((each) => each.steps.length > 0);
  const asked = await bounded(busy, REGIONS_AT_ONCE, askRegion);
  const uploads = steps.filter(({ kind }) => kind === "upload-snapshot");
  const boots =
    uploads.length === 0
      ? []
      : await bounded(builds, 2, (build) => bootFinding(build, { home, ports, signal: options.signal }));
  const findings: readonly Finding[] = [
    { place: home, level: "ok", check: "identity", detail: `account ${state.account}, partition ${state.partition}` },
    ...state.regions.flatMap(regionFinding),
    ...boots,
    ...unproven(home, { check: "EBS direct APIs", actions: EBS_ACTIONS, isNeeded: uploads.length > 0 }),
    ...unproven(home, {
      check: "SSM parameters",
      actions: SSM_ACTIONS,
      isNeeded: steps.some(({ kind }) => kind === "set-parameter"),
    }),
    ...asked.flat(),
  ];
  return findings.map((finding) => ({ target: name, ...finding }));
}

async function askRegion(busy: BusyRegion): Promise<readonly Finding[]> {
  const answers = await Promise.all([policyFindings(busy), quotaFinding(busy), dryRuns(busy)]);
  return answers.flat();
}

function regionFinding({ region, required, optIn, problem }: RegionState): readonly Finding[] {
  const level = required ? "error" : "warning";
  const what = { place: region, level, check: "region" } as const;
  const code = required ? { code: "publish-blocked" as const } : {};
  if (optIn === "unknown") {
    const hint = "Correct the name, or use credentials of the partition that has it.";
    return [{ ...what, ...code, detail: "there is no such region in this partition", hint }];
  }
  if (!isEnabled({ optIn })) {
    const hint = `Enable it (aws account enable-region --region-name ${region}), or take it out of the target.`;
    return [{ ...what, ...code, detail: `the account has not enabled it (${optIn})`, hint }];
  }
  if (problem === null) return [];
  return [
    { ...what, detail: `does not answer: ${problem}`, hint: "The release is published without it; run again later." },
  ];
}

/** Rights that there is no way to ask for. */
function unproven(
  place: string,
  {
    check,
    actions,
    isNeeded,
  }: { readonly check: string; readonly actions: readonly string[]; readonly isNeeded: boolean },
): readonly Finding[] {
  if (!isNeeded) return [];
  const detail = "the service has no dry run: rights are not known before the first call";
  return [{ place, level: "unproven", check, detail, hint: `What is needed: ${minimalPolicy(actions)}` }];
}
