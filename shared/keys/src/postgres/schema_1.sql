-- The key store in PostgreSQL, version 1. `wrapped` is null where the key was destroyed.
CREATE TABLE key (id uuid PRIMARY KEY, wrapped bytea);
CREATE TABLE destruction (one boolean PRIMARY KEY DEFAULT true CHECK (one), cursor bigint NOT NULL);
INSERT INTO destruction (cursor) VALUES (0);
