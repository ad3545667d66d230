import type * as Ebs from "@aws-sdk/client-ebs";
import type * as Ec2 from "@aws-sdk/client-ec2";
import type * as Quotas from "@aws-sdk/client-service-quotas";
import type * as Ssm from "@aws-sdk/client-ssm";
import type * as Sts from "@aws-sdk/client-sts";
import { KvciError } from "../core/error.ts";

/** Input and output of a call. */
interface Call<I, O> {
  readonly input: I;
  readonly output: O;
}

/** Every call that is made, under the name that a policy allows it by. */
export interface AwsCalls {
  "ebs:CompleteSnapshot": Call<Ebs.CompleteSnapshotCommandInput, Ebs.CompleteSnapshotCommandOutput>;
  "ebs:PutSnapshotBlock": Call<Ebs.PutSnapshotBlockCommandInput, Ebs.PutSnapshotBlockCommandOutput>;
  "ebs:StartSnapshot": Call<Ebs.StartSnapshotCommandInput, Ebs.StartSnapshotCommandOutput>;
  "ec2:AuthorizeSecurityGroupIngress": Call<
    Ec2.AuthorizeSecurityGroupIngressCommandInput,
    Ec2.AuthorizeSecurityGroupIngressCommandOutput
  >;
  "ec2:CopyImage": Call<Ec2.CopyImageCommandInput, Ec2.CopyImageCommandOutput>;
  "ec2:CreateSecurityGroup": Call<Ec2.CreateSecurityGroupCommandInput, Ec2.CreateSecurityGroupCommandOutput>;
  "ec2:DeleteKeyPair": Call<Ec2.DeleteKeyPairCommandInput, Ec2.DeleteKeyPairCommandOutput>;
  "ec2:DeleteSecurityGroup": Call<Ec2.DeleteSecurityGroupCommandInput, Ec2.DeleteSecurityGroupCommandOutput>;
  "ec2:DeleteSnapshot": Call<Ec2.DeleteSnapshotCommandInput, Ec2.DeleteSnapshotCommandOutput>;
  "ec2:DeregisterImage": Call<Ec2.DeregisterImageCommandInput, Ec2.DeregisterImageCommandOutput>;
  "ec2:DescribeImageAttribute": Call<Ec2.DescribeImageAttributeCommandInput, Ec2.DescribeImageAttributeCommandOutput>;
  "ec2:DescribeImageReferences": Call<
    Ec2.DescribeImageReferencesCommandInput,
    Ec2.DescribeImageReferencesCommandOutput
  >;
  "ec2:DescribeImages": Call<Ec2.DescribeImagesCommandInput, Ec2.DescribeImagesCommandOutput>;
  "ec2:DescribeInstanceTypes": Call<Ec2.DescribeInstanceTypesCommandInput, Ec2.DescribeInstanceTypesCommandOutput>;
  "ec2:DescribeInstances": Call<Ec2.DescribeInstancesCommandInput, Ec2.DescribeInstancesCommandOutput>;
  "ec2:DescribeKeyPairs": Call<Ec2.DescribeKeyPairsCommandInput, Ec2.DescribeKeyPairsCommandOutput>;
  "ec2:DescribeRegions": Call<Ec2.DescribeRegionsCommandInput, Ec2.DescribeRegionsCommandOutput>;
  "ec2:DescribeSecurityGroups": Call<Ec2.DescribeSecurityGroupsCommandInput, Ec2.DescribeSecurityGroupsCommandOutput>;
  "ec2:DescribeSnapshotAttribute": Call<
    Ec2.DescribeSnapshotAttributeCommandInput,
    Ec2.DescribeSnapshotAttributeCommandOutput
  >;
  "ec2:DescribeSnapshots": Call<Ec2.DescribeSnapshotsCommandInput, Ec2.DescribeSnapshotsCommandOutput>;
  "ec2:DisableImageDeprecation": Call<
    Ec2.DisableImageDeprecationCommandInput,
    Ec2.DisableImageDeprecationCommandOutput
  >;
  "ec2:EnableImageDeprecation": Call<Ec2.EnableImageDeprecationCommandInput, Ec2.EnableImageDeprecationCommandOutput>;
  "ec2:GetConsoleOutput": Call<Ec2.GetConsoleOutputCommandInput, Ec2.GetConsoleOutputCommandOutput>;
  "ec2:GetEbsEncryptionByDefault": Call<
    Ec2.GetEbsEncryptionByDefaultCommandInput,
    Ec2.GetEbsEncryptionByDefaultCommandOutput
  >;
  "ec2:GetImageBlockPublicAccessState": Call<
    Ec2.GetImageBlockPublicAccessStateCommandInput,
    Ec2.GetImageBlockPublicAccessStateCommandOutput
  >;
  "ec2:GetSnapshotBlockPublicAccessState": Call<
    Ec2.GetSnapshotBlockPublicAccessStateCommandInput,
    Ec2.GetSnapshotBlockPublicAccessStateCommandOutput
  >;
  "ec2:ImportKeyPair": Call<Ec2.ImportKeyPairCommandInput, Ec2.ImportKeyPairCommandOutput>;
  "ec2:ModifyImageAttribute": Call<Ec2.ModifyImageAttributeCommandInput, Ec2.ModifyImageAttributeCommandOutput>;
  "ec2:ModifySnapshotAttribute": Call<
    Ec2.ModifySnapshotAttributeCommandInput,
    Ec2.ModifySnapshotAttributeCommandOutput
  >;
  "ec2:RegisterImage": Call<Ec2.RegisterImageCommandInput, Ec2.RegisterImageCommandOutput>;
  "ec2:RunInstances": Call<Ec2.RunInstancesCommandInput, Ec2.RunInstancesCommandOutput>;
  "ec2:TerminateInstances": Call<Ec2.TerminateInstancesCommandInput, Ec2.TerminateInstancesCommandOutput>;
  "servicequotas:GetAWSDefaultServiceQuota": Call<
    Quotas.GetAWSDefaultServiceQuotaCommandInput,
    Quotas.GetAWSDefaultServiceQuotaCommandOutput
  >;
  "servicequotas:GetServiceQuota": Call<Quotas.GetServiceQuotaCommandInput, Quotas.GetServiceQuotaCommandOutput>;
  "ssm:DeleteParameter": Call<Ssm.DeleteParameterCommandInput, Ssm.DeleteParameterCommandOutput>;
  "ssm:GetParameters": Call<Ssm.GetParametersCommandInput, Ssm.GetParametersCommandOutput>;
  "ssm:PutParameter": Call<Ssm.PutParameterCommandInput, Ssm.PutParameterCommandOutput>;
  "sts:GetCallerIdentity": Call<Sts.GetCallerIdentityCommandInput, Sts.GetCallerIdentityCommandOutput>;
}

export type AwsAction = keyof AwsCalls;
export type AwsInput<A extends AwsAction> = AwsCalls[A]["input"];
export type AwsOutput<A extends AwsAction> = AwsCalls[A]["output"];

/** AWS as the rest of us sees it: one attempt for each call, in one region. Errors are the SDK's: see `awsVerdict`. */
export interface AwsApi {
  send<A extends AwsAction>(
    request: { readonly action: A; readonly region: string; readonly input: AwsInput<A> },
    signal: AbortSignal,
  ): Promise<AwsOutput<A>>;
  /** Reads the credentials anew before the next call. */
  renew(): void;
}

type Service = AwsAction extends `${infer S}:${string}` ? S : never;
type Credentials = NonNullable<Ec2.EC2ClientConfig["credentials"]>;

/** What the five clients have in common. */
interface Client {
  readonly config: { readonly credentials: Credentials };
  send(command: object, options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  destroy(): void;
}
type ClientClass = new (config: Ec2.EC2ClientConfig) => Client;
type CommandClass = new (input: unknown) => object;

/** The SDK's packages take 70 to 400 ms each to load: not before the first call of the service. */
const SERVICES: Readonly<
  Record<Service, { readonly client: string; readonly endpoint: string; readonly load: () => Promise<object> }>
> = {
  ebs: { client: "EBSClient", endpoint: "EBS", load: () => import("@aws-sdk/client-ebs") },
  ec2: { client: "EC2Client", endpoint: "EC2", load: () => import("@aws-sdk/client-ec2") },
  servicequotas: {
    client: "ServiceQuotasClient",
    endpoint: "SERVICE_QUOTAS",
    load: () => import("@aws-sdk/client-service-quotas"),
  },
  ssm: { client: "SSMClient", endpoint: "SSM", load: () => import("@aws-sdk/client-ssm") },
  sts: { client: "STSClient", endpoint: "STS", load: () => import("@aws-sdk/client-sts") },
};

const CONNECT_MS = 5_000;
const REQUEST_MS = 20_000;
/** Blocks under way at most, to one endpoint. */
const MAX_SOCKETS = 128;

/**
 * Clients of the SDK, one for each service and region, made when they are first needed. Credentials come from the SDK's own chain
 * (environment, profile, SSO, instance role) and are looked up once for all of them. The SDK never tries again by itself.
 *
 * @param env AWS_ENDPOINT_URL and its forms for one service are taken from here; the rest the SDK reads itself.
 */
export function awsClients(env: Readonly<Record<string, string | undefined>>): AwsApi {
  const clients = new Map<string, Promise<Client>>();
  let credentials: Credentials | undefined = environmentCredentials(env);
  const make = async (service: Service, region: string): Promise<Client> => {
    const { client, load } = SERVICES[service];
    const module = (await load()) as Readonly<Record<string, ClientClass>>;
    const made = new (memberOf(module, client))({
      region,
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        requestTimeout: REQUEST_MS,
        throwOnRequestTimeout: true,
        httpAgent: { maxSockets: MAX_SOCKETS, keepAlive: true },
        httpsAgent: { maxSockets: MAX_SOCKETS, keepAlive: true },
      },
      ...endpointOf(service, env),
      ...(credentials === undefined ? {} : { credentials }),
    });
    credentials ??= made.config.credentials;
    return made;
  };
  const clientOf = (service: Service, region: string): Promise<Client> => {
    const key = `${service} ${region}`;
    const made = clients.get(key) ?? make(service, region);
    clients.set(key, made);
    return made;
  };
  return {
    send: async ({ action, region, input }, signal) => {
      const [service, name] = action.split(":") as [Service, string];
      const client = await clientOf(service, region);
      const module = (await SERVICES[service].load()) as Readonly<Record<string, CommandClass>>;
      const output = await client.send(new (memberOf(module, `${name}Command`))(input), { abortSignal: signal });
      return output as AwsOutput<typeof action>;
    },
    renew: () => {
      clients.clear();
      credentials = environmentCredentials(env);
    },
  };
}

function memberOf<T>(module: Readonly<Record<string, T>>, name: string): T {
  const member = module[name];
  if (member) return member;
  throw new KvciError("internal", `the AWS SDK has no ${name}`, { hint: "Install the packages anew: npm ci." });
}

function endpointOf(
  service: Service,
  env: Readonly<Record<string, string | undefined>>,
): { readonly endpoint?: string } {
  const endpoint = env[`AWS_ENDPOINT_URL_${SERVICES[service].endpoint}`] ?? env["AWS_ENDPOINT_URL"];
  return endpoint === undefined || endpoint === "" ? {} : { endpoint };
}

/** As the SDK's own chain has it: the environment's keys count unless a profile is named. */
function environmentCredentials(env: Readonly<Record<string, string | undefined>>): Credentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env;
  if (!accessKeyId || !secretAccessKey || env["AWS_PROFILE"]) return undefined;
  return { accessKeyId, secretAccessKey, ...(token ? { sessionToken: token } : {}) };
}
