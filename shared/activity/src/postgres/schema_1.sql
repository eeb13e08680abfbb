-- The activity log. `place` hands out ids: its row is held until a batch is committed, so that whoever has read up to an id
-- finds nothing before it later.
CREATE TABLE place (one integer PRIMARY KEY CHECK (one = 1), last bigint NOT NULL);
INSERT INTO place (one, last) VALUES (1, 0);
CREATE TABLE activity (
    id bigint PRIMARY KEY, at timestamptz NOT NULL, lost bigint NOT NULL, kind text NOT NULL, what text NOT NULL,
    code text NOT NULL, rules text NOT NULL, service_id uuid, user_id uuid, client text NOT NULL, actor text, origin text,
    request_id text NOT NULL);
CREATE INDEX activity_at ON activity (at, id);
CREATE INDEX activity_kind ON activity (kind, id);
CREATE INDEX activity_service ON activity (service_id, id) WHERE service_id IS NOT NULL;
CREATE INDEX activity_user ON activity (user_id, id) WHERE user_id IS NOT NULL;
