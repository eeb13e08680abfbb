-- The auth read model in SQLite. Rows can be dropped and rebuilt from the log.
-- Instants are microseconds since 1970, ids are sixteen bytes, positions start at 1.
CREATE TABLE generation (
    generation INTEGER PRIMARY KEY,
    live INTEGER NOT NULL DEFAULT 0 CHECK (live IN (0, 1)),
    log BLOB,
    position INTEGER NOT NULL DEFAULT 0,
    leaf BLOB,
    frontier BLOB
);
CREATE UNIQUE INDEX one_live_generation ON generation (live) WHERE live = 1;
INSERT INTO generation (generation, live) VALUES (1, 1);

CREATE TABLE service (
    generation INTEGER NOT NULL,
    service BLOB NOT NULL,
    domain TEXT NOT NULL,
    customer TEXT NOT NULL,
    plan_mailboxes INTEGER NOT NULL,
    plan_pool_bytes INTEGER NOT NULL,
    used_mailboxes INTEGER NOT NULL,
    used_bytes INTEGER NOT NULL,
    private_key BLOB NOT NULL,
    revision INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    last_leaf BLOB NOT NULL,
    PRIMARY KEY (generation, service)
) WITHOUT ROWID;
CREATE UNIQUE INDEX service_by_domain ON service (generation, domain);
CREATE INDEX service_by_customer ON service (generation, customer, domain);

-- `address` and the names are null where the person was erased; `credential_key` is null where there is no credential,
-- `password_hash` where it was erased.
CREATE TABLE mailbox_user (
    generation INTEGER NOT NULL,
    user BLOB NOT NULL,
    service BLOB NOT NULL,
    address TEXT,
    first_name TEXT,
    last_name TEXT,
    profile_key BLOB NOT NULL,
    quota_mib INTEGER NOT NULL,
    state TEXT NOT NULL,
    credential_key BLOB,
    password_hash TEXT,
    policy TEXT,
    credential_revision INTEGER,
    credential_changed_at INTEGER,
    revision INTEGER NOT NULL,
    PRIMARY KEY (generation, user)
) WITHOUT ROWID;
CREATE UNIQUE INDEX user_by_address ON mailbox_user (generation, address);
CREATE INDEX user_by_service ON mailbox_user (generation, service, user);

CREATE VIEW live_service AS
    SELECT service.* FROM service JOIN generation USING (generation) WHERE generation.live = 1;
CREATE VIEW live_user AS
    SELECT mailbox_user.* FROM mailbox_user JOIN generation USING (generation) WHERE generation.live = 1;
