#!/bin/sh
# Roles and databases of postkey, made or brought up to date: roles.sh PASSWORDS, where that is a folder with a file for
# each role (owner, projector, webmail, keys, activity) and one for the superuser. psql takes PGHOST, PGUSER … from the environment.
# Runs again without harm: a password that was changed in its file is changed in the server.
#
# postkey_owner owns all databases and their schemas, and is used by `postkey postgres setup` only. The others may connect
# to the one database that they need; `postkey postgres setup` grants them what they need inside.
set -eu
passwords=$1
PGPASSWORD=$(cat "$passwords/superuser")
export PGPASSWORD passwords
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname postgres << 'SQL'
\set owner `cat "$passwords/owner"`
\set projector `cat "$passwords/projector"`
\set webmail `cat "$passwords/webmail"`
\set keys `cat "$passwords/keys"`
\set activity `cat "$passwords/activity"`
-- Not what the server writes to its log, whatever it is set to.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['postkey_owner', 'postkey_projector', 'postkey_webmail', 'postkey_keys', 'postkey_activity']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE postkey_owner PASSWORD :'owner';
ALTER ROLE postkey_projector PASSWORD :'projector';
ALTER ROLE postkey_webmail PASSWORD :'webmail';
ALTER ROLE postkey_keys PASSWORD :'keys';
ALTER ROLE postkey_activity PASSWORD :'activity';
SELECT format('CREATE DATABASE %I OWNER postkey_owner', name) FROM unnest(ARRAY['postkey', 'postkey_keys', 'postkey_activity']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
REVOKE ALL ON DATABASE postkey, postkey_keys, postkey_activity, postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postkey TO postkey_projector, postkey_webmail;
GRANT CONNECT ON DATABASE postkey_keys TO postkey_keys;
GRANT CONNECT ON DATABASE postkey_activity TO postkey_activity;
SQL
