-- The key store in PostgreSQL, version 2: the newest checkpoint, and where a ledger's key was replaced by another.
CREATE TABLE checkpoint (one boolean PRIMARY KEY DEFAULT true CHECK (one), note text NOT NULL);
CREATE TABLE crossing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    note text NOT NULL,
    old_key text NOT NULL,
    new_key text NOT NULL
);
