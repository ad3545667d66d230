/** STS and Service Quotas: who asks, and how much the account may have. */
import type { GetCallerIdentityResponse } from "@aws-sdk/client-sts";
import type { GetServiceQuotaRequest, ListServiceQuotasRequest, ServiceQuota } from "@aws-sdk/client-service-quotas";
import { AwsFault } from "./aws-fault.ts";
import { pageOf, type Actions, type Context } from "./world.ts";

export const stsActions: Actions = { GetCallerIdentity: callerIdentity };

function callerIdentity(_: object, { account }: Context): GetCallerIdentityResponse {
  return { UserId: `AIDA${account}`, Account: account, Arn: `arn:aws:iam::${account}:user/publisher` };
}

export const quotaActions: Actions = {
  GetServiceQuota: (input: GetServiceQuotaRequest, context) => quota(input, quotasOf(context)),
  GetAWSDefaultServiceQuota: (input: GetServiceQuotaRequest, context) => quota(input, defaultsOf(context)),
  ListServiceQuotas: (input: ListServiceQuotasRequest, context) => quotas(input, quotasOf(context)),
  ListAWSDefaultServiceQuotas: (input: ListServiceQuotasRequest, context) => quotas(input, defaultsOf(context)),
};

/** Of EC2, those that a publisher may ask for, by code. */
function defaultsOf({ region, account, world }: Context): readonly ServiceQuota[] {
  const entries = [
    { code: "L-0E3CBAB9", name: "Public AMIs", value: world.limits.publicImages, adjustable: true },
    { code: "L-B665C33B", name: "AMIs", value: 50_000, adjustable: true },
    { code: "L-0BE8F5F5", name: "AMI sharing", value: 1000, adjustable: true },
    { code: "L-1216C47A", name: "Running On-Demand Standard instances", value: 5, adjustable: true },
  ];
  return entries.map(({ code, name, value, adjustable }) => ({
    ServiceCode: "ec2",
    ServiceName: "Amazon Elastic Compute Cloud (Amazon EC2)",
    QuotaArn: `arn:aws:servicequotas:${region.name}:${account}:ec2/${code}`,
    QuotaCode: code,
    QuotaName: name,
    Value: value,
    Unit: "None",
    Adjustable: adjustable,
    GlobalQuota: false,
  }));
}

function quotasOf(context: Context): readonly ServiceQuota[] {
  const applied = context.region.publicImageQuota;
  return defaultsOf(context).map((each) => (each.QuotaCode === "L-0E3CBAB9" ? { ...each, Value: applied } : each));
}

function quota({ ServiceCode, QuotaCode }: GetServiceQuotaRequest, all: readonly ServiceQuota[]) {
  const found = all.find((each) => each.ServiceCode === ServiceCode && each.QuotaCode === QuotaCode);
  if (found === undefined) {
    throw new AwsFault("NoSuchResourceException", "The request failed because the quota does not exist");
  }
  return { Quota: found };
}

function quotas(input: ListServiceQuotasRequest, all: readonly ServiceQuota[]) {
  if (input.ServiceCode !== "ec2") throw new AwsFault("NoSuchResourceException", "No such service");
  const fail = () => new AwsFault("InvalidPaginationTokenException", "Invalid input was provided.");
  const { entries, next } = pageOf(all, { token: input.NextToken, size: input.MaxResults ?? 100, fail });
  return { Quotas: [...entries], ...(next === undefined ? {} : { NextToken: next }) };
}
