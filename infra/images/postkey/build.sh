#!/bin/sh
# Builds the image postkey:local: a static binary for this machine's kind, in an image with nothing else.
# Needs cargo and docker. The binary stays beside the Dockerfile: health checks of other containers use it too.
set -eu
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target the flag reaches what is built, and not the macros and build scripts that run while building; beside those of
# .cargo/config.toml, which RUSTFLAGS would put out of force.
${CARGO:-cargo} build --config "target.$host.rustflags=[\"-C\", \"target-feature=+crt-static\"]" \
  --quiet --release --locked --package postkey --target "$host" --manifest-path ../../../Cargo.toml
target=${CARGO_TARGET_DIR:-../../../target}
# By rename: running containers may have the old one mounted.
cp "$target/$host/release/postkey" postkey.new
strip postkey.new 2> /dev/null || true
chmod 755 postkey.new
mv postkey.new postkey
said=$(docker build --quiet --tag postkey:local . 2>&1) || { echo "$said" >&2; exit 1; }
