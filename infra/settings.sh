# Sourced in this folder: what may differ where there is more than one cluster on a machine. What the environment says goes,
# then what .env says, then the usual. secrets.sh writes .env, and Docker Compose reads it when a person calls it by hand.
setting() { # NAME DEFAULT
  local value=${!1:-}
  if [ -z "$value" ] && [ -e .env ]; then value=$(sed -n "s/^$1=//p" .env); fi
  export "$1=${value:-$2}"
}
# Sets `data`, the folder for tokens and endpoints: what the caller names, else what it was the first time, else the usual. One
# cluster has one: with another, the tokens in the first would be revoked.
data_folder() { # NAMED FOLDER-OF-THE-CALLER
  local known=
  if [ -e .env ]; then known=$(sed -n 's/^POSTKEY_DATA=//p' .env); fi
  data=${1:-${known:-$2/postkey-data}}
  if [ -n "$known" ] && [ "$data" != "$known" ]; then
    echo "the tokens of this cluster are in $known, and would be revoked: name that folder, or none;" \
      "if it has moved, say so in POSTKEY_DATA in $PWD/.env" >&2
    exit 1
  fi
}
# Leaves alone what `make run` has made.
not_of_make_run() {
  if [ -e "$data/keyring" ]; then
    echo "$data is the folder of a postkey of its own (make run): name another one, as in: make up DATA=./cluster" >&2
    exit 1
  fi
}
# Not COMPOSE_PROJECT_NAME, which may be in the environment for another project: `make down` removes what is in its own.
setting POSTKEY_PROJECT postkey
setting POSTKEY_IMAGE postkey:local
setting POSTKEY_COMMAND_1_PORT 8081
setting POSTKEY_PROJECTION_1_PORT 8082
setting POSTKEY_COMMAND_2_PORT 8083
setting POSTKEY_PROJECTION_2_PORT 8084
