-- What runs of one state folder learn from each other. Each section is one step of the schema; a step once released is never changed.

-- name: version_1
CREATE TABLE paces (
    cloud  TEXT NOT NULL,
    bucket TEXT NOT NULL,
    rate   REAL NOT NULL,            -- calls a second
    PRIMARY KEY (cloud, bucket)
) WITHOUT ROWID;
CREATE TABLE durations (
    id      INTEGER PRIMARY KEY,     -- in order of arrival
    chart   TEXT NOT NULL,
    seconds REAL NOT NULL
);
CREATE INDEX durations_by_chart ON durations (chart, id);

-- name: version_2
CREATE TABLE remembered (
    id        INTEGER PRIMARY KEY,   -- in order of the last write
    key       TEXT NOT NULL UNIQUE,  -- of the deployment: cluster-id/namespace/name
    confirmed TEXT NOT NULL,         -- how the cloud showed it once the write was confirmed, as JSON
    sent      TEXT NOT NULL          -- digest of sent_values
);
CREATE TABLE sent_values (
    digest TEXT PRIMARY KEY,
    leaves TEXT NOT NULL             -- path to keyed digest, as JSON; no values
) WITHOUT ROWID;
