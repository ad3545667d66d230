/** As much of a network as an instance needs: the default VPC, its subnets, security groups. */
import { createHash } from "node:crypto";
import type {
  AuthorizeSecurityGroupIngressRequest,
  AuthorizeSecurityGroupIngressResult,
  CreateSecurityGroupRequest,
  CreateSecurityGroupResult,
  DeleteSecurityGroupRequest,
  DescribeSecurityGroupsRequest,
  DescribeSecurityGroupsResult,
  DescribeSubnetsRequest,
  DescribeVpcsRequest,
  IpPermission,
  SecurityGroup,
  Subnet,
  Vpc,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { newId, type IngressRule, type SecurityGroupRecord } from "./aws-state.ts";
import { badCombination, badValue, filtered, paged, tagsFor, tagsOf, type FilterTable } from "./ec2-answers.ts";
import { zonesOf } from "./ec2-account.ts";
import { record, type Actions, type Context } from "./world.ts";

export const networkActions: Actions = {
  DescribeVpcs: describeVpcs,
  DescribeSubnets: describeSubnets,
  CreateSecurityGroup: createGroup,
  AuthorizeSecurityGroupIngress: authorize,
  DescribeSecurityGroups: describeGroups,
  DeleteSecurityGroup: deleteGroup,
};

const VPC_FILTERS: FilterTable<Vpc> = {
  by: {
    "is-default": ({ IsDefault }) => [String(IsDefault)],
    isDefault: ({ IsDefault }) => [String(IsDefault)],
    state: ({ State }) => [State],
    "vpc-id": ({ VpcId }) => [VpcId],
  },
};
const SUBNET_FILTERS: FilterTable<Subnet> = {
  by: {
    "availability-zone": ({ AvailabilityZone }) => [AvailabilityZone],
    "default-for-az": ({ DefaultForAz }) => [String(DefaultForAz)],
    state: ({ State }) => [State],
    "subnet-id": ({ SubnetId }) => [SubnetId],
    "vpc-id": ({ VpcId }) => [VpcId],
  },
};
const GROUP_FILTERS: FilterTable<SecurityGroupRecord> = {
  by: {
    description: ({ description }) => [description],
    "group-id": ({ id }) => [id],
    "group-name": ({ name }) => [name],
    "vpc-id": ({ vpcId }) => [vpcId],
  },
  tags: ({ tags }) => tags,
};

function describeVpcs(input: DescribeVpcsRequest, context: Context) {
  const { region, account } = context;
  const only: Vpc = {
    VpcId: region.vpcId,
    OwnerId: account,
    CidrBlock: "172.31.0.0/16",
    State: "available",
    IsDefault: true,
    InstanceTenancy: "default",
  };
  const odd = input.VpcIds?.find((id) => id !== region.vpcId);
  if (odd !== undefined) throw new AwsFault("InvalidVpcID.NotFound", `The vpc ID '${odd}' does not exist`);
  const { page, next } = paged(filtered([only], input.Filters, VPC_FILTERS), { ...input, ids: input.VpcIds }, context);
  return { Vpcs: [...page], ...next };
}

/** One in each zone; their ids follow from the VPC's. */
export function subnetsOf({ region, account }: Context): readonly Subnet[] {
  return zonesOf(region).map(({ name, id }, index) => ({
    SubnetId: `subnet-${createHash("sha256").update(`${region.vpcId}${name}`).digest("hex").slice(0, 17)}`,
    VpcId: region.vpcId,
    OwnerId: account,
    AvailabilityZone: name,
    AvailabilityZoneId: id,
    CidrBlock: `172.31.${index * 16}.0/20`,
    AvailableIpAddressCount: 4091,
    DefaultForAz: true,
    MapPublicIpOnLaunch: true,
    State: "available",
  }));
}

function describeSubnets(input: DescribeSubnetsRequest, context: Context) {
  const all = subnetsOf(context);
  const odd = input.SubnetIds?.find((id) => !all.some(({ SubnetId }) => SubnetId === id));
  if (odd !== undefined) throw new AwsFault("InvalidSubnetID.NotFound", `The subnet ID '${odd}' does not exist`);
  const wanted = all.filter(({ SubnetId = "" }) => input.SubnetIds?.includes(SubnetId) ?? true);
  const found = filtered(wanted, input.Filters, SUBNET_FILTERS);
  const { page, next } = paged(found, { ...input, ids: input.SubnetIds }, context);
  return { Subnets: [...page], ...next };
}

function createGroup(input: CreateSecurityGroupRequest, context: Context): CreateSecurityGroupResult {
  const { region } = context;
  const { GroupName: name = "", VpcId: vpcId = region.vpcId, Description: description = "" } = input;
  checkNewGroup({ name, vpcId, description }, context);
  const tags = tagsFor("security-group", input.TagSpecifications);
  const group: SecurityGroupRecord = { id: newId("sg"), name, description, vpcId, tags, ingress: [] };
  region.securityGroups.set(group.id, group);
  record(context, { kind: "security-group-made", id: group.id, detail: name });
  return { GroupId: group.id, ...tagsOf(tags) };
}

function checkNewGroup(
  { name, vpcId, description }: Pick<SecurityGroupRecord, "name" | "vpcId" | "description">,
  { region }: Context,
): void {
  if (vpcId !== region.vpcId) throw new AwsFault("InvalidVpcID.NotFound", `The vpc ID '${vpcId}' does not exist`);
  if (name.startsWith("sg-") || name.length > 255) throw badValue("Group names do not begin with sg-");
  if (description === "" || description.length > 255) throw badValue("A description has 1 to 255 characters");
  if ([...region.securityGroups.values()].some((each) => each.name === name)) {
    throw new AwsFault("InvalidGroup.Duplicate", `The security group '${name}' already exists for VPC '${vpcId}'`);
  }
}

export function groupById({ region }: Context, id: string | undefined): SecurityGroupRecord {
  const found = region.securityGroups.get(id ?? "");
  if (found === undefined) throw noGroup(id);
  return found;
}

function noGroup(id: string | undefined): AwsFault {
  return new AwsFault("InvalidGroup.NotFound", `The security group '${id ?? ""}' does not exist`);
}

function groupOf(
  context: Context,
  { GroupId, GroupName }: { GroupId?: string | undefined; GroupName?: string | undefined },
) {
  if (GroupId !== undefined) return groupById(context, GroupId);
  const named = [...context.region.securityGroups.values()].find(({ name }) => name === GroupName);
  if (named === undefined) throw noGroup(GroupName);
  return named;
}

function authorize(input: AuthorizeSecurityGroupIngressRequest, context: Context): AuthorizeSecurityGroupIngressResult {
  const group = groupOf(context, input);
  const rules = permissionsOf(input).flatMap(rulesOf);
  if (rules.length === 0) throw badCombination("No rule: neither IpPermissions with ranges nor CidrIp");
  const text = ({ protocol, fromPort, toPort, cidr }: IngressRule) => [protocol, fromPort, toPort, cidr].join(" ");
  const known = new Set(group.ingress.map(text));
  const twice = rules.find((each) => known.has(text(each)));
  if (twice !== undefined) {
    throw new AwsFault("InvalidPermission.Duplicate", `the specified rule "${text(twice)}" already exists`);
  }
  group.ingress.push(...rules);
  return { Return: true, SecurityGroupRules: rules.map((each) => ruleOf(each, group.id, context.account)) };
}

function permissionsOf(input: AuthorizeSecurityGroupIngressRequest): readonly IpPermission[] {
  if (input.CidrIp === undefined) return input.IpPermissions ?? [];
  const { IpProtocol, FromPort, ToPort, CidrIp } = input;
  return [{ IpProtocol, FromPort, ToPort, IpRanges: [{ CidrIp }] }];
}

function rulesOf({
  IpProtocol,
  FromPort,
  ToPort,
  IpRanges = [],
  Ipv6Ranges = [],
}: IpPermission): readonly IngressRule[] {
  const cidrs = [...IpRanges.map(({ CidrIp = "" }) => CidrIp), ...Ipv6Ranges.map(({ CidrIpv6 = "" }) => CidrIpv6)];
  return cidrs.map((cidr) => {
    if (!/^[0-9a-f.:]+\/\d{1,3}$/i.test(cidr)) throw badValue(`CIDR block ${cidr} is malformed`);
    return { id: newId("sgr"), protocol: IpProtocol ?? "", fromPort: FromPort, toPort: ToPort, cidr };
  });
}

function ruleOf({ id, protocol, fromPort, toPort, cidr }: IngressRule, groupId: string, account: string) {
  return {
    SecurityGroupRuleId: id,
    GroupId: groupId,
    GroupOwnerId: account,
    IsEgress: false,
    IpProtocol: protocol,
    ...(fromPort === undefined ? {} : { FromPort: fromPort }),
    ...(toPort === undefined ? {} : { ToPort: toPort }),
    ...(cidr.includes(":") ? { CidrIpv6: cidr } : { CidrIpv4: cidr }),
  };
}

function describeGroups(input: DescribeSecurityGroupsRequest, context: Context): DescribeSecurityGroupsResult {
  const { region, account } = context;
  for (const id of input.GroupIds ?? []) groupById(context, id);
  const all = [...region.securityGroups.values()].filter(
    ({ id, name }) => (input.GroupIds?.includes(id) ?? true) && (input.GroupNames?.includes(name) ?? true),
  );
  const found = filtered(all, input.Filters, GROUP_FILTERS).map((each) => shownGroup(each, account));
  const { page, next } = paged(found, { ...input, ids: input.GroupIds }, context);
  return { SecurityGroups: [...page], ...next };
}

function shownGroup(
  { id, name, description, vpcId, tags, ingress }: SecurityGroupRecord,
  account: string,
): SecurityGroup {
  return {
    GroupId: id,
    GroupName: name,
    Description: description,
    VpcId: vpcId,
    OwnerId: account,
    IpPermissions: ingress.map(({ protocol, fromPort, toPort, cidr }) => ({
      IpProtocol: protocol,
      FromPort: fromPort,
      ToPort: toPort,
      ...(cidr.includes(":") ? { Ipv6Ranges: [{ CidrIpv6: cidr }] } : { IpRanges: [{ CidrIp: cidr }] }),
    })),
    IpPermissionsEgress: [{ IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
    ...tagsOf(tags),
  };
}

function deleteGroup(input: DeleteSecurityGroupRequest, context: Context) {
  const { id } = groupOf(context, input);
  const { region, nowMs, world } = context;
  const user = [...region.instances.values()].find(
    ({ groupIds, terminatedMs }) =>
      groupIds.includes(id) && (terminatedMs === undefined || nowMs < terminatedMs + world.delays.instanceMs),
  );
  if (user !== undefined) throw new AwsFault("DependencyViolation", `resource ${id} has a dependent object`);
  region.securityGroups.delete(id);
  record(context, { kind: "security-group-deleted", id });
  return { Return: true, GroupId: id };
}
