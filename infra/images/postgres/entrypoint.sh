#!/bin/sh
# Makes the data folder at the first start, with the user, the database and the scripts that were given, and then becomes
# the server. The environment is that of the official image (https://hub.docker.com/_/postgres): POSTGRES_USER, _PASSWORD,
# _DB and _INITDB_ARGS, each also as a file's name in *_FILE; POSTGRES_HOST_AUTH_METHOD.
set -eu

fail() {
    echo "Error: $1" >&2
    exit 1
}

# Sets a variable to the first line of the file that its *_FILE names, or to a default.
from_file() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$file" ]; then
        [ -z "$value" ] || fail "both $1 and $1_FILE are set (but are exclusive)"
        value=$(cat "$file")
    fi
    eval "$1=\${value:-\$2}"
    unset "$1_FILE"
}

make_data_folder() {
    [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] ||
        fail 'superuser password is not specified: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE'
    password=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$password"
    # Words of its own, as in the official image.
    # shellcheck disable=SC2086
    initdb -D "$PGDATA" -U "$POSTGRES_USER" ${POSTGRES_PASSWORD:+"--pwfile=$password"} -E UTF8 \
        --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C --auth=trust $POSTGRES_INITDB_ARGS
    rm -f "$password"
    # As in the official image: who is in the container is trusted, everybody else proves it.
    printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\nunix_socket_directories = '/run/postgresql'\n" >> "$PGDATA/postgresql.conf"
}

as_superuser() {
    psql -X --no-password -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" "$@"
}

run_scripts() {
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sh)
                echo "$0: running $script"
                # The official image reads what it may not run.
                # shellcheck disable=SC1090
                if [ -x "$script" ]; then "$script"; else . "$script"; fi
                ;;
            *.sql)
                echo "$0: running $script"
                as_superuser -d "$POSTGRES_DB" -f "$script"
                ;;
            */'*') ;;
            *) echo "$0: ignoring $script" ;;
        esac
    done
}

case "${1:-postgres}" in
    -*) set -- postgres "$@" ;;
    postgres) ;;
    *) exec "$@" ;;
esac
for argument in "$@"; do
    # Only asked for, nothing to start.
    case "$argument" in --help | --version | -\? | -V | --describe-config | -C) exec "$@" ;; esac
done

# As root, if this is root: a secret's file may be open to nobody else.
from_file POSTGRES_USER postgres
from_file POSTGRES_PASSWORD ''
from_file POSTGRES_DB "$POSTGRES_USER"
from_file POSTGRES_INITDB_ARGS ''
: "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
export POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB POSTGRES_INITDB_ARGS POSTGRES_HOST_AUTH_METHOD

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres /var/lib/postgresql "$PGDATA" /run/postgresql
    chmod 700 "$PGDATA"
    exec su -- postgres "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    make_data_folder
    [ -z "$POSTGRES_PASSWORD" ] || export PGPASSWORD="$POSTGRES_PASSWORD"
    shift
    quoted=
    for argument in "$@"; do
        quoted="$quoted '$(printf '%s' "$argument" | sed "s/'/'\\\\''/g")'"
    done
    # Nobody connects from outside before the scripts have run. This server's lines go to standard output.
    pg_ctl -D "$PGDATA" -o "$quoted -c listen_addresses=''" -w start
    [ "$POSTGRES_DB" = postgres ] ||
        printf 'CREATE DATABASE :"db";\n' | as_superuser -d postgres -v db="$POSTGRES_DB"
    run_scripts
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    echo 'PostgreSQL init process complete; ready for start up.'
    set -- postgres "$@"
fi
# The server needs none of them.
unset POSTGRES_PASSWORD
exec "$@"
