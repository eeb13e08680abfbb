#!/usr/bin/env bash
# Brings up the whole of postkey on this machine from nothing, and waits until all of it is well. What is there already
# stays: run it again after a change, or to see whether all is well. The first argument is the folder for tokens and
# endpoints (default ./postkey-data).
set -euo pipefail
data=$(realpath -m "${1:-./postkey-data}")
cd "$(dirname "$0")"
. ./compose.sh
WITHIN=240 # seconds until all is well

if [ -e "$data/keyring" ]; then
  echo "up.sh: $data is the folder of a postkey of its own (make run): name another one, as in: make up DATA=./cluster" >&2
  exit 1
fi
docker info > /dev/null 2>&1 || { echo "up.sh: no Docker daemon answers: start it, or join its group" >&2; exit 1; }

echo "images      building $POSTKEY_IMAGE; the first time takes some minutes"
images/postkey/build.sh
images/build.sh | sed "s/^/images      /"
./secrets.sh "$data"

echo "containers  starting"
if ! compose up --detach --remove-orphans; then
  for job in $(compose config --services | grep '^setup-\|^data-folders$'); do
    container=$(compose ps --all --quiet "$job")
    if [ -n "$container" ] && [ "$(docker inspect --format '{{.State.ExitCode}}' "$container")" != 0 ]; then
      echo "up.sh: the job $job has failed:" >&2
      docker logs --tail 20 "$container" >&2
    fi
  done
  exit 1
fi
services=$(compose config --services | grep -v '^setup-\|^data-folders$')
deadline=$((SECONDS + WITHIN))
for service in $services; do
  container=$(compose ps --all --quiet "$service")
  until [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; do
    if [ $SECONDS -ge $deadline ]; then
      echo "up.sh: $service is not well after $WITHIN seconds. What its health says, and its last words:" >&2
      docker inspect --format '{{range .State.Health.Log}}{{.Output}}{{end}}' "$container" | sort -u >&2
      docker logs --tail 20 "$container" >&2
      exit 1
    fi
    sleep 1
  done
  echo "well        $service"
done

at=http://127.0.0.1
printf '{"command":"%s","projection":"%s"}' $at:$POSTKEY_COMMAND_1_PORT $at:$POSTKEY_PROJECTION_1_PORT > "$data/endpoints.json"
cat << END
command     $at:$POSTKEY_COMMAND_1_PORT and $at:$POSTKEY_COMMAND_2_PORT
projection  $at:$POSTKEY_PROJECTION_1_PORT and $at:$POSTKEY_PROJECTION_2_PORT
tokens      $data/tokens
secrets     $PWD/secrets
END
