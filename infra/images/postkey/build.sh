#!/bin/sh
# Builds our image (POSTKEY_IMAGE, postkey:local where none is named): a static binary for this machine's kind, with nothing
# else. Needs cargo and docker, or docker alone where POSTKEY_BINARY names a static binary that is there already. The
# binary stays beside the Dockerfile: health checks of other containers use it too.
set -eu
binary=${POSTKEY_BINARY:-}
if [ -n "$binary" ]; then binary=$(realpath "$binary"); fi
cd "$(dirname "$0")"
if [ -z "$binary" ]; then
  host=$(rustc -vV | sed -n 's/^host: //p')
  # With --target the flag reaches what is built, and not the macros and build scripts that run while building; beside those
  # of .cargo/config.toml. Flags in the environment would put both out of force.
  env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS ${CARGO:-cargo} build --config "target.$host.rustflags=[\"-C\", \"target-feature=+crt-static\"]" \
    --quiet --release --locked --package postkey --target "$host" --manifest-path ../../../Cargo.toml
  binary=${CARGO_TARGET_DIR:-../../../target}/$host/release/postkey
fi
# By rename: running containers may have the old one mounted.
cp "$binary" postkey.new
strip postkey.new 2> /dev/null || true
chmod 755 postkey.new
mv postkey.new postkey
said=$(docker build --quiet --tag "${POSTKEY_IMAGE:-postkey:local}" . 2>&1) || { echo "$said" >&2; exit 1; }
# One that is not static would find no loader there.
docker run --rm --network none "${POSTKEY_IMAGE:-postkey:local}" version > /dev/null
