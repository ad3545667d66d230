/**
 * Writes models/compute.json: what the client library's protocol file says about the operations that the counterpart answers, names,
 * types and paths without documentation. Source: @google-cloud/compute, Apache-2.0; see models/NOTICE.md. Run:
 * node test/counterparts/gcp/extract-models.ts, then prettier --write test/counterparts/gcp/models
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const WANTED: Readonly<Record<string, readonly string[]>> = {
  Images: [
    "Delete",
    "Deprecate",
    "Get",
    "GetFromFamily",
    "GetIamPolicy",
    "Insert",
    "List",
    "Patch",
    "SetIamPolicy",
    "SetLabels",
    "TestIamPermissions",
  ],
  GlobalOperations: ["Get", "List", "Wait"],
  Projects: ["Get"],
  Instances: ["Delete", "Get", "GetSerialPortOutput", "Insert", "List"],
  ZoneOperations: ["Get", "Wait"],
  Firewalls: ["Delete", "Get", "Insert", "List"],
};

interface ProtoField {
  readonly type: string;
  readonly rule?: string;
  readonly keyType?: string;
  readonly options?: Readonly<Record<string, unknown>>;
}
interface ProtoType {
  readonly fields?: Readonly<Record<string, ProtoField>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly nested?: Readonly<Record<string, ProtoType>>;
  readonly methods?: Readonly<Record<string, ProtoMethod>>;
}
interface ProtoMethod {
  readonly requestType: string;
  readonly responseType: string;
  readonly options: Readonly<Record<string, string>>;
}

const library = join(import.meta.dirname, "../../../node_modules/@google-cloud/compute");
const { version } = JSON.parse(readFileSync(join(library, "package.json"), "utf8")) as { version: string };
const file = readFileSync(join(library, "build/protos/protos.json"), "utf8");
const root = JSON.parse(file) as ProtoType;
const types = ["google", "cloud", "compute", "v1"].reduce((at, name) => at.nested?.[name] ?? {}, root).nested ?? {};
const messages: Record<string, Record<string, unknown>> = {};

function take(name: string): void {
  const type = types[name];
  if (messages[name] !== undefined || type?.fields === undefined) return;
  const taken: Record<string, unknown> = (messages[name] = {});
  for (const [name, field] of Object.entries(type.fields)) {
    const values = valuesOf(name, field, type);
    taken[name] = { type: values ? "string" : field.type, ...traitsOf(field), ...(values ? { values } : {}) };
    if (!values) take(field.type);
  }
}

/** Enums that the answers have are of a type of their own, those of requests are text; both are text in JSON. */
function valuesOf(name: string, { type: of }: ProtoField, { nested = {} }: ProtoType): readonly string[] | undefined {
  const named = nested[of]?.values;
  const beside = of === "string" ? nested[name.charAt(0).toUpperCase() + name.slice(1)]?.values : undefined;
  const values = named ?? beside;
  return values && Object.keys(values).filter((each) => !each.startsWith("UNDEFINED_"));
}

function traitsOf({ rule, keyType, options }: ProtoField): object {
  return {
    ...(rule === "repeated" ? { repeated: true } : {}),
    ...(keyType === undefined ? {} : { map: true }),
    ...(options?.["(google.api.field_behavior)"] === "REQUIRED" ? { required: true } : {}),
  };
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const operations: Record<string, unknown> = {};
for (const [service, names] of Object.entries(WANTED)) {
  for (const name of names) {
    const method = types[service]?.methods?.[name];
    if (method === undefined) throw new TypeError(`no ${service}.${name} in ${version}`);
    const { requestType, responseType, options } = method;
    const verb = ["get", "post", "patch", "delete", "put"].find((each) => options[`(google.api.http).${each}`]);
    if (verb === undefined) throw new TypeError(`no path for ${service}.${name}`);
    const body = options["(google.api.http).body"];
    take(requestType);
    take(responseType);
    operations[
      `${service.charAt(0).toLowerCase()}${service.slice(1)}.${name.charAt(0).toLowerCase()}${name.slice(1)}`
    ] = {
      method: verb.toUpperCase(),
      path: options[`(google.api.http).${verb}`],
      ...(body === undefined ? {} : { body: camel(body) }),
      request: requestType,
      response: responseType,
    };
  }
}
const model = { source: `@google-cloud/compute ${version}`, operations, messages };
writeFileSync(join(import.meta.dirname, "models/compute.json"), `${JSON.stringify(model)}\n`);
