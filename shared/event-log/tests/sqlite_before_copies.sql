-- The schema of version 1 as it was made before there were copies, with an empty log in it.
PRAGMA application_id = 1886088295;
PRAGMA user_version = 1;

-- One row: which log this is, and whether it still takes appends.
CREATE TABLE log (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    id     BLOB    NOT NULL CHECK (length(id) = 16),
    closed INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1))
) STRICT;

CREATE TABLE entry (
    position INTEGER PRIMARY KEY,
    subject  TEXT NOT NULL,
    bytes    BLOB NOT NULL
) STRICT;

-- Within one subject SQLite orders an index by the row id, which the position is.
CREATE INDEX entry_by_subject ON entry (subject);

-- These hold off a slip of the hand, not an attacker with write access to the file: that one is found out by the
-- entries' MACs and the ledger.
CREATE TRIGGER entry_follows_the_last BEFORE INSERT ON entry
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM entry)
BEGIN SELECT raise(ABORT, 'an entry follows the last one'); END;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT raise(ABORT, 'an entry is never changed'); END;

CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry
BEGIN SELECT raise(ABORT, 'an entry is never deleted'); END;

CREATE TRIGGER log_keeps_its_id_and_stays_closed BEFORE UPDATE ON log
WHEN NEW.id IS NOT OLD.id OR NEW.closed < OLD.closed
BEGIN SELECT raise(ABORT, 'a log keeps its id and stays closed'); END;

CREATE TRIGGER log_is_never_deleted BEFORE DELETE ON log
BEGIN SELECT raise(ABORT, 'a log is never deleted'); END;

INSERT INTO log (one, id) VALUES (1, x'00000000000000000000000000000001');
PRAGMA journal_mode = WAL;
