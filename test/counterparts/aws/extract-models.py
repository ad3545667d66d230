"""Writes models/*.json: what the vendor's published API models say about the operations the counterpart answers.

Run where botocore is installed: python3 extract-models.py, then prettier --write models. Taken are names, types, places and
constraints; documentation is left out. Source: botocore (https://github.com/boto/botocore), Apache-2.0; see models/NOTICE.md.
"""

import json
import pathlib

import botocore
import botocore.loaders

OPERATIONS = {
    "ec2": """
        AuthorizeSecurityGroupIngress CopyImage CreateKeyPair CreateSecurityGroup CreateTags DeleteKeyPair
        DeleteSecurityGroup DeleteSnapshot DeleteTags DeregisterImage DescribeAvailabilityZones DescribeImageAttribute
        DescribeImageReferences DescribeImages DescribeInstances DescribeInstanceTypes DescribeInstanceTypeOfferings
        DescribeKeyPairs DescribeRegions DescribeSecurityGroups DescribeSnapshotAttribute DescribeSnapshots
        DescribeSubnets DescribeTags DescribeVpcs DisableEbsEncryptionByDefault DisableImage
        DisableImageBlockPublicAccess DisableImageDeprecation DisableImageDeregistrationProtection
        DisableSnapshotBlockPublicAccess EnableEbsEncryptionByDefault EnableImage EnableImageBlockPublicAccess
        EnableImageDeprecation EnableImageDeregistrationProtection EnableSnapshotBlockPublicAccess GetConsoleOutput
        GetEbsEncryptionByDefault GetImageBlockPublicAccessState GetSnapshotBlockPublicAccessState ImportKeyPair
        ModifyImageAttribute ModifySnapshotAttribute RegisterImage RunInstances TerminateInstances
    """,
    "ebs": "CompleteSnapshot GetSnapshotBlock ListChangedBlocks ListSnapshotBlocks PutSnapshotBlock StartSnapshot",
    "sts": "GetCallerIdentity",
    "ssm": """
        AddTagsToResource DeleteParameter DeleteParameters GetParameter GetParameterHistory GetParameters
        GetParametersByPath ListTagsForResource PutParameter RemoveTagsFromResource
    """,
    "service-quotas": "GetAWSDefaultServiceQuota GetServiceQuota ListAWSDefaultServiceQuotas ListServiceQuotas",
}
ABOUT = ("apiVersion", "jsonVersion", "protocol", "serviceId", "targetPrefix", "xmlNamespace")
OF_A_SHAPE = ("type", "required", "enum", "min", "max", "pattern", "payload", "timestampFormat", "flattened", "wrapper")
OF_A_MEMBER = ("shape", "location", "locationName", "queryName", "idempotencyToken", "streaming", "flattened")


def only(names, record):
    return {name: record[name] for name in names if name in record}


def compact(shape):
    made = only(OF_A_SHAPE, shape)
    if "members" in shape:
        made["members"] = {name: only(OF_A_MEMBER, member) for name, member in shape["members"].items()}
    for part in ("member", "key", "value"):
        if part in shape:
            made[part] = only(OF_A_MEMBER, shape[part])
    if shape.get("exception"):
        made["exception"] = True
        made["httpStatusCode"] = shape.get("error", {}).get("httpStatusCode", 400)
    return made


def reach(shapes, name, seen):
    if name in seen:
        return
    shape = shapes[name]
    seen[name] = compact(shape)
    parts = [*shape.get("members", {}).values(), *(shape[part] for part in ("member", "key", "value") if part in shape)]
    for part in parts:
        reach(shapes, part["shape"], seen)


def extract(service, wanted):
    model = botocore.loaders.Loader().load_service_model(service, "service-2")
    operations, shapes = {}, {}
    for name in sorted(wanted):
        operation = model["operations"][name]
        made = {"http": only(("method", "requestUri", "responseCode"), operation["http"])}
        for part in ("input", "output"):
            if part in operation:
                made[part] = operation[part]["shape"]
                reach(model["shapes"], made[part], shapes)
        made["errors"] = [error["shape"] for error in operation.get("errors", [])]
        for error in made["errors"]:
            reach(model["shapes"], error, shapes)
        operations[name] = made
    return {
        "source": f"botocore {botocore.__version__}, {service} {model['metadata']['apiVersion']}",
        "metadata": only(ABOUT, model["metadata"]),
        "operations": operations,
        "shapes": dict(sorted(shapes.items())),
    }


folder = pathlib.Path(__file__).parent / "models"
folder.mkdir(exist_ok=True)
for service, names in OPERATIONS.items():
    text = json.dumps(extract(service, names.split()), separators=(",", ":"))
    (folder / f"{service}.json").write_text(text + "\n")
