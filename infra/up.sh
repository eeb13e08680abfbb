#!/usr/bin/env bash
# Brings up the whole of postkey on this machine from nothing, and waits until all of it is well. What is there already
# stays: run it again after a change, or to see whether all is well. The first argument is the folder for tokens and
# endpoints: what it was the first time, unless it is the first time (then ./postkey-data by default).
set -euo pipefail
named=${1:+$(realpath -m "$1")} here=$PWD
cd "$(dirname "$0")"
. ./compose.sh
data_folder "$named" "$here"
not_of_make_run
WITHIN=240 # seconds until all is well

# Whose containers are up already has their ports.
if [ -z "$(docker ps --quiet --filter "label=com.docker.compose.project=$POSTKEY_PROJECT" 2> /dev/null)" ]; then
  for setting in POSTKEY_COMMAND_1_PORT POSTKEY_COMMAND_2_PORT POSTKEY_PROJECTION_1_PORT POSTKEY_PROJECTION_2_PORT; do
    if (exec 3<> "/dev/tcp/127.0.0.1/${!setting}") 2> /dev/null; then
      echo "up.sh: something listens on port ${!setting} already: stop it (make run?), or set $setting to another port" >&2
      exit 1
    fi
  done
fi
if [ ! -e secrets/postgres/superuser ] && [ -n "$(docker volume ls --quiet --filter "label=com.docker.compose.project=$POSTKEY_PROJECT" 2> /dev/null)" ]; then
  echo "up.sh: there are volumes of a cluster that is called $POSTKEY_PROJECT too, and its secrets are not here: bring its infra/secrets" \
    "and infra/.env, or set POSTKEY_PROJECT to another name (and the ports), or remove its data for good: make down VOLUMES=1" >&2
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
  if [ ! -e secrets/nats/admin/nkey.seed ]; then
    # Docker has made an empty folder in its place.
    rmdir secrets/nats/admin 2> /dev/null || true
    echo "up.sh: $PWD/secrets/nats/admin is not here, which the job setup-log needs: bring it back for as long as a setup takes" >&2
  fi
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
