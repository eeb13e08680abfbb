#!/usr/bin/env bash
# Stops what up.sh started. Data stays, unless VOLUMES=1 says that log, keys and read model shall go for good. The first
# argument is up.sh's. Secrets and tokens stay in any case.
set -euo pipefail
named=${1:+$(realpath -m "$1")} here=$PWD
cd "$(dirname "$0")"
. ./compose.sh
data_folder "$named" "$here"
# Endpoints are there only while somebody listens at them; those of `make run` are not ours.
[ -e "$data/keyring" ] || rm -f "$data/endpoints.json"
if [ "${VOLUMES:-}" = 1 ]; then compose down --remove-orphans --volumes; else compose down --remove-orphans; fi
