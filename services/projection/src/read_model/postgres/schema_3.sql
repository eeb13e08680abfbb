-- Version 3: the ledger, the Merkle tree of the log's entries. Its rows are added and never changed, belong to no generation,
-- and are not dropped by a rebuild; those of a log that is older than this table are added by the projector. It can be run
-- again: where one of the tables is gone, both begin anew.
DO $$
BEGIN
    IF to_regclass('public.ledger_leaf') IS NULL OR to_regclass('public.ledger_node') IS NULL THEN
        DROP TABLE IF EXISTS ledger_leaf, ledger_node;
    END IF;
END
$$;
-- A leaf is the hash of an entry's stored bytes (RFC 6962), with the user whom the entry is about, if it is about one.
CREATE TABLE IF NOT EXISTS ledger_leaf (
    position bigint PRIMARY KEY,
    leaf bytea NOT NULL,
    "user" uuid
);
CREATE INDEX IF NOT EXISTS ledger_leaf_by_user ON ledger_leaf ("user", position) WHERE "user" IS NOT NULL;
-- Node n of level L is the root over the leaves at positions n * 256^L + 1 to (n + 1) * 256^L.
CREATE TABLE IF NOT EXISTS ledger_node (
    level bigint NOT NULL,
    "index" bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (level, "index")
);
