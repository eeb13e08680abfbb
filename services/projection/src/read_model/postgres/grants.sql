-- What each role may do with the read model. Run by `postkey postgres setup` as the owner, as often as one likes; roles that
-- do not exist are left out. Nobody else may even connect.
DO $$
DECLARE
    here text := quote_ident(current_database());
BEGIN
    EXECUTE 'REVOKE ALL ON DATABASE ' || here || ' FROM PUBLIC';
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postkey_projector') THEN
        EXECUTE 'GRANT CONNECT ON DATABASE ' || here || ' TO postkey_projector';
        GRANT USAGE ON SCHEMA public TO postkey_projector;
        GRANT SELECT ON postkey_schema TO postkey_projector;
        GRANT SELECT, INSERT, UPDATE, DELETE ON generation, service, mailbox_user TO postkey_projector;
        GRANT SELECT, INSERT, UPDATE ON leader TO postkey_projector;
        -- What stands in the ledger is never changed.
        GRANT SELECT, INSERT ON ledger_leaf, ledger_node TO postkey_projector;
    END IF;
    -- Its view comes with the mail servers; until then there is nothing that it may read.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postkey_webmail') THEN
        EXECUTE 'GRANT CONNECT ON DATABASE ' || here || ' TO postkey_webmail';
        GRANT USAGE ON SCHEMA public TO postkey_webmail;
    END IF;
END
$$;
