# Sourced in this folder: what may differ where there is more than one cluster on a machine. What the environment says goes,
# then what .env says, then the usual. secrets.sh writes .env, and Docker Compose reads it when a person calls it by hand.
setting() { # NAME DEFAULT
  local value=${!1:-}
  if [ -z "$value" ] && [ -e .env ]; then value=$(sed -n "s/^$1=//p" .env); fi
  export "$1=${value:-$2}"
}
# Not COMPOSE_PROJECT_NAME, which may be in the environment for another project: `make down` removes what is in its own.
setting POSTKEY_PROJECT postkey
setting POSTKEY_IMAGE postkey:local
setting POSTKEY_COMMAND_1_PORT 8081
setting POSTKEY_PROJECTION_1_PORT 8082
setting POSTKEY_COMMAND_2_PORT 8083
setting POSTKEY_PROJECTION_2_PORT 8084
