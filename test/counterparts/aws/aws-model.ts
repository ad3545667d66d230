import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the vendor's published models say of a value: names, types, places, constraints. See models/NOTICE.md. */
export interface Shape {
  readonly type: string;
  readonly required?: readonly string[];
  readonly members?: Readonly<Record<string, Member>>;
  readonly member?: Member;
  readonly key?: Member;
  readonly value?: Member;
  readonly enum?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly payload?: string;
  readonly exception?: boolean;
  readonly httpStatusCode?: number;
}

export interface Member {
  readonly shape: string;
  readonly location?: "uri" | "querystring" | "header";
  readonly locationName?: string;
  readonly queryName?: string;
}

export interface Operation {
  readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode?: number };
  readonly input?: string;
  readonly output?: string;
  readonly errors: readonly string[];
}

export interface ApiModel {
  readonly source: string;
  readonly metadata: {
    readonly apiVersion: string;
    readonly protocol: "ec2" | "query" | "json" | "rest-json";
    readonly targetPrefix?: string;
    readonly xmlNamespace?: string;
  };
  readonly operations: Readonly<Record<string, Operation>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}

const SERVICES = ["ec2", "ebs", "sts", "ssm", "service-quotas"] as const;
export type Service = (typeof SERVICES)[number];

/** Values as they are inside: records of the model's member names, Dates, Uint8Arrays. */
export type Values = Readonly<Record<string, unknown>>;

function readModel(service: Service): ApiModel {
  return JSON.parse(readFileSync(join(import.meta.dirname, "models", `${service}.json`), "utf8")) as ApiModel;
}

export const MODELS = Object.fromEntries(SERVICES.map((service) => [service, readModel(service)])) as Readonly<
  Record<Service, ApiModel>
>;

/** Names in a credential scope, where they differ from ours. */
const SCOPES: Readonly<Record<string, Service>> = {
  ec2: "ec2",
  ebs: "ebs",
  sts: "sts",
  ssm: "ssm",
  servicequotas: "service-quotas",
};

export function serviceOfScope(name: string): Service | undefined {
  return SCOPES[name];
}

export function shapeOf(model: ApiModel, name: string): Shape {
  const shape = model.shapes[name];
  if (shape === undefined) throw new TypeError(`no shape ${name} in ${model.source}`);
  return shape;
}
