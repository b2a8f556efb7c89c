-- The journal of one run. Each section is one step of the schema; a step once released is never changed.

-- name: version_1
CREATE TABLE events (
    seq  INTEGER PRIMARY KEY,
    -- One JSON object, taken apart by the queries: a schema that calls functions would have to be trusted.
    data TEXT NOT NULL
);
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
