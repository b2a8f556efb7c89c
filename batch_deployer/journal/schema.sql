-- The journal of one run. Each section is one step of the schema; a step once released is never changed.

-- name: version_1
CREATE TABLE events (
    seq  INTEGER PRIMARY KEY,
    data TEXT NOT NULL,
    -- Read out of the JSON when asked for: they cost an insert nothing and cannot disagree with it.
    kind TEXT GENERATED ALWAYS AS (json_extract(data, '$.kind')) VIRTUAL,
    key  TEXT GENERATED ALWAYS AS (json_extract(data, '$.key')) VIRTUAL,
    at   REAL GENERATED ALWAYS AS (json_extract(data, '$.at')) VIRTUAL
);
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
