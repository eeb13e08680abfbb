-- What each role may do with the activity log. Run by `postkey postgres setup` as the owner, as often as one likes. Nobody
-- else may even connect.
DO $$
DECLARE
    here text := quote_ident(current_database());
BEGIN
    EXECUTE 'REVOKE ALL ON DATABASE ' || here || ' FROM PUBLIC';
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postkey_activity') THEN
        EXECUTE 'GRANT CONNECT ON DATABASE ' || here || ' TO postkey_activity';
        GRANT USAGE ON SCHEMA public TO postkey_activity;
        GRANT SELECT ON postkey_schema TO postkey_activity;
        GRANT SELECT, UPDATE ON place TO postkey_activity;
        -- No UPDATE: what is recorded is removed, and never changed.
        GRANT SELECT, INSERT, DELETE ON activity TO postkey_activity;
    END IF;
END
$$;
