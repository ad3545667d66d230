#!/bin/sh
# Runs a script of the project on the same Node, with the same packages, as ./kvci-build: sh launcher/node.sh FILE [ARGUMENT]...
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)

# shellcheck source=launcher/provision.sh
. "$root/launcher/provision.sh"
provision

# Programs that are started by the script (eslint, tsc, mocha) find the same Node.
PATH=${node%/*}:$PATH
export PATH
exec "$node" --disable-warning=ExperimentalWarning "$@"
