-- The copies that a log has a part in. Made in the transaction that needs it: most logs are never copied, and files of
-- before have no such table.
CREATE TABLE IF NOT EXISTS copy (
    part TEXT PRIMARY KEY CHECK (part IN ('made by', 'closed for')),
    id   BLOB NOT NULL CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS copy_is_never_changed BEFORE UPDATE ON copy
BEGIN SELECT raise(ABORT, 'a log keeps the copies that it had a part in'); END;

CREATE TRIGGER IF NOT EXISTS copy_is_never_deleted BEFORE DELETE ON copy
BEGIN SELECT raise(ABORT, 'a log keeps the copies that it had a part in'); END;
