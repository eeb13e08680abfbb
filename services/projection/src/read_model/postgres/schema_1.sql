-- The auth read model in PostgreSQL, version 1. Rows can be dropped and rebuilt from the log. Positions start at 1.
-- Text is compared byte by byte, as in every other store of postkey, whatever the database's own collation is.
-- It can be run again: what is there stays, what is missing is made. Each table is locked against writers until the end, in
-- this order, in which a rebuild takes them too: `generation`, `leader`, `service`, `mailbox_user`.
DO $$
BEGIN
    -- Where rows are gone, nobody may take the others for the whole: all of them are made anew.
    IF to_regclass('public.generation') IS NULL OR to_regclass('public.service') IS NULL
        OR to_regclass('public.mailbox_user') IS NULL
    THEN
        DROP TABLE IF EXISTS service, mailbox_user;
        IF to_regclass('public.generation') IS NOT NULL THEN
            DELETE FROM generation WHERE NOT live;
            UPDATE generation
            SET generation = generation + 1, log = NULL, position = 0, leaf = NULL, frontier = NULL;
        END IF;
    END IF;
END
$$;
CREATE TABLE IF NOT EXISTS generation (
    generation bigint PRIMARY KEY,
    live boolean NOT NULL DEFAULT false,
    log uuid,
    position bigint NOT NULL DEFAULT 0,
    leaf bytea,
    frontier bytea
    -- Written with every batch: room on the page, so that no index is written with it.
) WITH (fillfactor = 10);
CREATE UNIQUE INDEX IF NOT EXISTS one_live_generation ON generation (live) WHERE live;
-- Where there were some before, it is none of those: whoever looked them up sees that these are others.
INSERT INTO generation (generation, live)
SELECT CASE WHEN to_regclass('public.postkey_schema') IS NULL THEN 1 ELSE extract(epoch FROM clock_timestamp())::bigint END,
    true
WHERE NOT EXISTS (SELECT FROM generation);

-- Which projection leads: one row. `expires` is by this database's clock. `holder` is unique so that it counts as a key of
-- the row: a batch that holds `FOR KEY SHARE` then keeps others from taking the lead, and not its holder from claiming it
-- again.
CREATE TABLE IF NOT EXISTS leader (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    holder uuid UNIQUE,
    expires timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
INSERT INTO leader DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS service (
    generation bigint NOT NULL,
    service uuid NOT NULL,
    domain text COLLATE "C" NOT NULL,
    customer text COLLATE "C" NOT NULL,
    plan_mailboxes bigint NOT NULL,
    plan_pool_bytes bigint NOT NULL,
    used_mailboxes bigint NOT NULL,
    used_bytes bigint NOT NULL,
    private_key uuid NOT NULL,
    revision bigint NOT NULL,
    last_position bigint NOT NULL,
    last_leaf bytea NOT NULL,
    PRIMARY KEY (generation, service)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX IF NOT EXISTS service_by_domain ON service (generation, domain);
CREATE INDEX IF NOT EXISTS service_by_customer ON service (generation, customer, domain);

-- `address` and the names are null where the person was erased; `credential_key` is null where there is no credential,
-- `password_hash` where it was erased.
CREATE TABLE IF NOT EXISTS mailbox_user (
    generation bigint NOT NULL,
    "user" uuid NOT NULL,
    service uuid NOT NULL,
    address text COLLATE "C",
    first_name text COLLATE "C",
    last_name text COLLATE "C",
    profile_key uuid NOT NULL,
    quota_mib bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    credential_key uuid,
    password_hash text COLLATE "C",
    policy text COLLATE "C",
    credential_revision bigint,
    credential_changed_at timestamptz,
    revision bigint NOT NULL,
    PRIMARY KEY (generation, "user")
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX IF NOT EXISTS user_by_address ON mailbox_user (generation, address);
CREATE INDEX IF NOT EXISTS user_by_service ON mailbox_user (generation, service, "user");

-- So that plans know from the first look-up on that these are one row each.
ANALYZE generation, leader;
