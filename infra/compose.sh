# Sourced in this folder: `compose` is Docker Compose v2 or docker-compose 1.29, whichever is there (COMPOSE names another)
# on compose.yaml.
. ./settings.sh
if [ -z "${COMPOSE:-}" ]; then
  if docker compose version > /dev/null 2>&1; then
    COMPOSE="docker compose"
  elif docker-compose version > /dev/null 2>&1; then
    COMPOSE=docker-compose
  else
    echo "neither docker compose nor docker-compose is installed" >&2
    exit 1
  fi
fi
compose() {
  # shellcheck disable=SC2086 # two words, for the plugin
  $COMPOSE --project-name "$POSTKEY_PROJECT" --file compose.yaml "$@"
}
