#!/usr/bin/env bash
# identities.sh DIR: keys and certificates of everybody who speaks to the NATS cluster, made with openssl and coreutils.
#
# Makes what is missing in DIR and overwrites nothing. Two authorities, so that a client's certificate can't join the
# cluster as a server: servers show a certificate of server-ca, to clients and to each other; clients one of client-ca.
#
#   DIR/ca/          server-ca.key, client-ca.key: needed to issue more
#   DIR/public/      server-ca.pem, client-ca.pem; IDENTITY.pub; public-keys.conf of these, which accounts.conf includes
#   DIR/nats-N/      server.pem, server.key
#   DIR/IDENTITY/    nkey.seed, client.pem, client.key: one folder for each identity of accounts.conf
#
# All of it is its owner's alone (0700, 0600). Give each machine its own folder and public/, and no more. `admin` and
# `system` are for a person at work: keep them offline, with ca/. An identity whose folder is not here, but whose
# public/IDENTITY.pub is, is kept elsewhere and left alone.
#
# To revoke an identity, remove its folder and its public/IDENTITY.pub; to renew a certificate, remove its .pem. Run this
# again, and restart the servers one after the other, or send each SIGHUP.
#
# NATS_SERVERS names the servers (default "nats-1 nats-2 nats-3"): the DNS names or IP addresses that clients and routes
# reach them by. Each certificate also names localhost and 127.0.0.1, for checks from inside.
set -euo pipefail
export LC_ALL=C
umask 077

dir=${1:?usage: identities.sh DIR}
servers=${NATS_SERVERS:-nats-1 nats-2 nats-3}
identities="admin system command-1 command-2 projection-1 projection-2 auditor"
ca_days=3650
certificate_days=730

# What an nkey is: base32 of its kind, the Ed25519 seed or public key, and the CRC-16 of both
# (github.com/nats-io/nkeys, strkey.go). Reads the 32 bytes from stdin; the kind's bytes are $1.
nkey() {
  local hex crc=0 bit byte
  hex=$1$(od -An -v -tx1 | tr -d ' \n')
  for ((byte = 0; byte < ${#hex}; byte += 2)); do
    ((crc ^= 0x${hex:byte:2} << 8)) || true
    for ((bit = 0; bit < 8; bit++)); do
      ((crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff)) || true
    done
  done
  hex+=$(printf '%02x%02x' $((crc & 0xff)) $((crc >> 8)))
  # shellcheck disable=SC2059 # the format is made of \x and hexadecimal digits
  printf "$(printf %s "$hex" | sed 's/../\\x&/g')" | base32 -w 0 | tr -d =
}

# Puts stdin into a file, whole or not at all: nothing where what should have made it has failed.
into() {
  cat > "$1.new" && [ -s "$1.new" ] && mv "$1.new" "$1"
}

authority() { # NAME
  local key=$dir/ca/$1.key certificate=$dir/public/$1.pem
  [ -e "$certificate" ] && return
  [ -e "$key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2> /dev/null | into "$key"
  openssl req -x509 -new -sha256 -key "$key" -days $ca_days -subj "/O=postkey/CN=$1" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign" | into "$certificate"
}

certificate() { # FOLDER/FILE, without its ending; NAME; AUTHORITY; EXTENSIONS
  local key=$1.key certificate=$1.pem
  [ -e "$certificate" ] && return
  [ -e "$dir/ca/$3.key" ] || { echo "identities.sh: $dir/ca/$3.key issues $certificate: bring it back" >&2; exit 1; }
  [ -e "$key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2> /dev/null | into "$key"
  openssl req -new -sha256 -key "$key" -subj "/O=postkey/CN=$2" |
    openssl x509 -req -sha256 -days $certificate_days -CA "$dir/public/$3.pem" -CAkey "$dir/ca/$3.key" \
      -set_serial "0x$(openssl rand -hex 16)" -extfile <(printf '%s\n' "$4") 2> /dev/null | into "$certificate"
}

seed() { # IDENTITY
  [ -e "$dir/public/$1.pub" ] && return
  local pem
  pem=$(openssl genpkey -algorithm ED25519)
  # The last 32 bytes of both DER forms are the seed and the public key (RFC 8410). 0x9500: seed of a user; 0xa0: user.
  openssl pkey -outform DER <<< "$pem" | tail -c 32 | nkey 9500 | into "$dir/$1/nkey.seed"
  openssl pkey -pubout -outform DER <<< "$pem" | tail -c 32 | nkey a0 | into "$dir/public/$1.pub"
}

mkdir -p "$dir" "$dir/ca" "$dir/public"
authority server-ca
authority client-ca
for server in $servers; do
  mkdir -p "$dir/$server"
  case $server in *[!0-9.]*) name=DNS:$server ;; *) name=IP:$server ;; esac
  certificate "$dir/$server/server" "$server" server-ca "basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=$name,DNS:localhost,IP:127.0.0.1"
done
for identity in $identities; do
  if [ -e "$dir/public/$identity.pub" ] && [ ! -e "$dir/$identity/nkey.seed" ]; then continue; fi
  mkdir -p "$dir/$identity"
  seed "$identity"
  certificate "$dir/$identity/client" "$identity" client-ca "basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth"
done
{
  echo "# Public keys of the identities, written by identities.sh."
  for identity in $identities; do
    variable=$(printf %s "$identity" | tr a-z- A-Z_)
    echo "$variable: $(cat "$dir/public/$identity.pub")"
  done
} | into "$dir/public/public-keys.conf"
