/** What the counterpart takes of Cloud Storage's JSON API, from its documentation. */
const QUERIES: Readonly<Record<string, readonly string[]>> = {
  "storage.buckets.get": ["projection", "fields"],
  "storage.buckets.getIamPolicy": ["optionsRequestedPolicyVersion"],
  "storage.buckets.testIamPermissions": ["permissions"],
  "storage.objects.insert": [
    "uploadType",
    "name",
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "predefinedAcl",
    "upload_id",
  ],
  "storage.objects.get": ["projection", "generation", "ifGenerationMatch", "alt", "fields"],
  "storage.objects.list": ["prefix", "delimiter", "maxResults", "pageToken", "versions", "projection", "fields"],
  "storage.objects.delete": ["generation", "ifGenerationMatch"],
  "storage.objects.rewrite": [
    "ifGenerationMatch",
    "sourceGeneration",
    "ifSourceGenerationMatch",
    "rewriteToken",
    "maxBytesRewrittenPerCall",
    "destinationPredefinedAcl",
    "projection",
  ],
  "storage.objectAccessControls.insert": ["generation"],
  "storage.objectAccessControls.delete": ["generation"],
};

const OBJECT_FIELDS = [
  "name",
  "contentType",
  "contentEncoding",
  "cacheControl",
  "metadata",
  "crc32c",
  "md5Hash",
  "storageClass",
];
const BODIES: Readonly<Record<string, readonly string[]>> = {
  "storage.objects.insert": OBJECT_FIELDS,
  "storage.objects.rewrite": OBJECT_FIELDS,
  "storage.objectAccessControls.insert": ["entity", "role"],
};

export function checkStorageRequest(call: string, query: URLSearchParams, body: unknown): readonly string[] {
  const known = QUERIES[call];
  if (known === undefined) return [];
  const parameters = [...query.keys()]
    .filter((name) => !known.includes(name) && name !== "prettyPrint" && name !== "alt")
    .map((name) => `${call}: unknown parameter ${name}`);
  const fields = body === undefined ? [] : Object.keys(body as object);
  return [
    ...parameters,
    ...fields.filter((name) => !(BODIES[call] ?? []).includes(name)).map((name) => `${call}: unknown field ${name}`),
  ];
}
