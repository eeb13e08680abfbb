-- Version 3: the ledger, the Merkle tree of the log's entries. Its rows are added and never changed, belong to no generation,
-- and are not dropped by a rebuild; those of a log that is older than this table are added by the projector.
-- A leaf is the hash of an entry's stored bytes (RFC 6962), with the user whom the entry is about, if it is about one.
CREATE TABLE ledger_leaf (
    position INTEGER PRIMARY KEY,
    leaf BLOB NOT NULL,
    user BLOB
);
CREATE INDEX ledger_leaf_by_user ON ledger_leaf (user, position) WHERE user IS NOT NULL;
-- Node n of level L is the root over the leaves at positions n * 256^L + 1 to (n + 1) * 256^L.
CREATE TABLE ledger_node (
    level INTEGER NOT NULL,
    "index" INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, "index")
) WITHOUT ROWID;
