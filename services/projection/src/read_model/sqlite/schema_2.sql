-- Version 2: what a search for users looks in, computed from address and names before it comes here; null where those are, and
-- in rows of version 1 until the projector has written them again.
ALTER TABLE mailbox_user ADD COLUMN search_text TEXT;
CREATE INDEX user_without_search_text ON mailbox_user (generation, user)
    WHERE search_text IS NULL AND address IS NOT NULL;
