"""Reads a snapshot back by boto3 and prints the SHA-256 of each of its blocks: {"0": "…", "7": "…"}."""

import hashlib
import json
import sys

import boto3

endpoint, region, snapshot = sys.argv[1:]
ebs = boto3.client("ebs", endpoint_url=endpoint, region_name=region)
digests = {}
for block in ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]:
    index = int(block["BlockIndex"])
    reply = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=block["BlockToken"])
    digests[index] = hashlib.sha256(reply["BlockData"].read()).hexdigest()
json.dump(digests, sys.stdout, sort_keys=True)
