-- What each role may do with the key store. Run by `postkey postgres setup` as the owner, as often as one likes. Nobody else
-- may even connect: neither the projector's nor the mail servers' role.
DO $$
DECLARE
    here text := quote_ident(current_database());
BEGIN
    EXECUTE 'REVOKE ALL ON DATABASE ' || here || ' FROM PUBLIC';
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postkey_keys') THEN
        EXECUTE 'GRANT CONNECT ON DATABASE ' || here || ' TO postkey_keys';
        GRANT USAGE ON SCHEMA public TO postkey_keys;
        GRANT SELECT ON postkey_schema TO postkey_keys;
        GRANT SELECT, INSERT, UPDATE ON key TO postkey_keys;
        GRANT SELECT, UPDATE ON destruction TO postkey_keys;
        GRANT SELECT, INSERT, UPDATE ON checkpoint TO postkey_keys;
        GRANT SELECT, INSERT ON crossing TO postkey_keys;
    END IF;
END
$$;
