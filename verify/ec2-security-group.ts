import type { CallOptions } from "../src/aws/aws-caller.ts";
import type { AwsInput } from "../src/aws/clients.ts";
import { removeSecurityGroup } from "../src/aws/ec2-remove.ts";
import { awsTags } from "../src/aws/managed-tags.ts";
import { KvciError } from "../src/core/error.ts";
import { ec2Part, whenSeen, type Ec2Scope } from "./ec2-part.ts";
import type { SshIngress } from "./ssh-login.ts";

export interface Ec2SecurityGroup extends AsyncDisposable {
  /**
   * @returns its id, in the region's default network.
   */
  make(ingress: SshIngress): Promise<string>;
}

/** Lets SSH in to one machine, and nothing else. */
export function ec2SecurityGroup(scope: Ec2Scope): Ec2SecurityGroup {
  const { caller, region } = scope;
  let made: string | undefined;
  const part = ec2Part("security group", scope, async (signal) => {
    const id = made ?? (await find(scope, signal));
    if (id !== undefined) await removeSecurityGroup(id, { ...scope, signal });
  });
  return {
    make: async (ingress) => {
      const options = part.begin();
      const id = await create(scope, options);
      made = id;
      await caller.ask(
        {
          action: "ec2:AuthorizeSecurityGroupIngress",
          region,
          input: { GroupId: id, IpPermissions: [sshPermission(ingress)] },
        },
        { ...options, isExpected: ({ code }) => code === "InvalidPermission.Duplicate" },
      );
      return id;
    },
    [Symbol.asyncDispose]: () => part[Symbol.asyncDispose](),
  };
}

async function create(scope: Ec2Scope, options: CallOptions): Promise<string> {
  const { caller, region, name, tags } = scope;
  const input = {
    GroupName: name,
    Description: "kvci-build: SSH to one machine under test",
    TagSpecifications: [{ ResourceType: "security-group" as const, Tags: awsTags(tags) }],
  };
  const answer = await caller.ask(
    { action: "ec2:CreateSecurityGroup", region, input },
    { ...options, isExpected: ({ code }) => code === "InvalidGroup.Duplicate" || code === "VPCIdNotSpecified" },
  );
  const id = "output" in answer ? answer.output.GroupId : undefined;
  if (id !== undefined) return id;
  if ("failure" in answer && answer.failure.code === "VPCIdNotSpecified") throw noNetwork(region);
  // The name is ours alone: who has it was made by an attempt whose answer was lost.
  return (await find(scope, options.signal)) ?? "";
}

async function find(scope: Ec2Scope, signal: AbortSignal): Promise<string | undefined> {
  const { caller, region, name } = scope;
  const input = { Filters: [{ Name: "group-name", Values: [name] }] };
  const look = async (): Promise<string | undefined> => {
    const found = await caller.call({ action: "ec2:DescribeSecurityGroups", region, input }, { signal });
    return found.SecurityGroups?.[0]?.GroupId;
  };
  return whenSeen(look, { ...scope, signal });
}

type IpPermission = NonNullable<AwsInput<"ec2:AuthorizeSecurityGroupIngress">["IpPermissions"]>[number];

/** Empty lists are left out: AWS takes them for a mistake. */
function sshPermission({ from, port }: SshIngress): IpPermission {
  const six = from.filter((cidr) => cidr.includes(":"));
  const four = from.filter((cidr) => !cidr.includes(":"));
  return {
    IpProtocol: "tcp",
    FromPort: port,
    ToPort: port,
    ...(four.length > 0 ? { IpRanges: four.map((CidrIp) => ({ CidrIp })) } : {}),
    ...(six.length > 0 ? { Ipv6Ranges: six.map((CidrIpv6) => ({ CidrIpv6 })) } : {}),
  };
}

function noNetwork(region: string): KvciError {
  return new KvciError("publish-blocked", `${region} has no default network (VPC) to start an instance in`, {
    hint: `Make one (aws ec2 create-default-vpc --region ${region}), or verify in a region that has one.`,
  });
}
