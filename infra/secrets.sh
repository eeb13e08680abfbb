#!/usr/bin/env bash
# Makes what is missing of infra/secrets/ and of infra/.env, and overwrites nothing: keys and certificates of the NATS
# cluster, passwords of PostgreSQL, postkey's keyring and clients file; and tokens for clients in DATA (the first
# argument; none where it is not the first time), for whoever walks through the README. Needs openssl, coreutils, and our image.
#
# Containers run as the person who makes these files, so that they can read them, and nobody else can. Where that is
# root they run as 65532, and the files are given to it.
#
#   infra/secrets/nats/        what nats/identities.sh makes; take ca/, admin/ and system/ elsewhere once all runs
#   infra/secrets/postgres/    superuser, owner, projector, webmail, keys, activity: a password each
#   infra/secrets/postkey/     what `postkey init` makes: back up keyring, apart from the databases
#   DATA/tokens/               panel, webmail, operator, auditor: a bearer token each
set -euo pipefail
umask 077
named=${1:+$(realpath -m "$1")} here=$PWD
cd "$(dirname "$0")"
. ./settings.sh
data_folder "$named" "$here"
not_of_make_run

owner=$(id -u):$(id -g)
if [ "$(id -u)" = 0 ]; then owner=65532:65532; fi
if [ ! -e .env ]; then
  {
    printf 'OWNER=%s\nCOMPOSE_PROJECT_NAME=%s\n' "$owner" "$POSTKEY_PROJECT"
    for name in PROJECT IMAGE {COMMAND,PROJECTION}_{1,2}_PORT; do name=POSTKEY_$name; echo "$name=${!name}"; done
  } > .env
fi

grep -q '^POSTKEY_DATA=' .env || echo "POSTKEY_DATA=$data" >> .env

give() {
  if [ "$(id -u)" = 0 ]; then chown -R "$owner" secrets; fi
}
postkey() {
  docker run --rm --network none --user "$owner" --volume "$PWD/secrets/postkey:/secrets" "$POSTKEY_IMAGE" "$@"
}

mkdir -p secrets secrets/nats secrets/postgres secrets/postkey
nats/identities.sh secrets/nats
for role in superuser owner projector webmail keys activity; do
  [ -e "secrets/postgres/$role" ] || { openssl rand -hex 24 > "secrets/postgres/$role.new" && mv "secrets/postgres/$role"{.new,}; }
done
give
[ -e secrets/postkey/clients.json ] || postkey init /secrets > /dev/null

mkdir -p "$data/tokens"
for role in panel webmail operator auditor; do
  token=$data/tokens/$role.token
  # One that these services don't know is from before the secrets were made anew.
  if [ -s "$token" ] && grep -q "$(tr -d '\n' < "$token" | sha256sum | cut -d ' ' -f 1)" secrets/postkey/clients.json; then continue; fi
  customer=()
  if [ $role = panel ]; then customer=(--customer '*'); fi
  if grep -q "\"name\": \"$role\"" secrets/postkey/clients.json; then
    postkey token revoke $role --clients-file /secrets/clients.json > /dev/null
  fi
  postkey token new --role $role --name $role "${customer[@]}" --clients-file /secrets/clients.json > "$token.new"
  mv "$token.new" "$token"
done
