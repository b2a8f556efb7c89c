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

-- name: version_3
-- Rate limits that runs share. Times are monotonic seconds of the boot in limit_clock.
CREATE TABLE limit_clock (
    boot TEXT NOT NULL,
    at   REAL NOT NULL               -- of the last exchange
);
CREATE TABLE limit_members (
    id      INTEGER PRIMARY KEY,
    scope   TEXT NOT NULL,           -- resolved endpoint and project id
    run     TEXT NOT NULL,
    process TEXT NOT NULL,
    mode    TEXT NOT NULL,           -- joining, alone, sharing
    renewed REAL NOT NULL,
    rates   TEXT NOT NULL            -- bucket to [count, seconds], as JSON
);
CREATE TABLE limit_rates (
    scope          TEXT NOT NULL,
    bucket         TEXT NOT NULL,
    next_spaced_at REAL NOT NULL,
    pace           REAL NOT NULL,    -- calls a second that a refusal taught; infinity: none did
    paused_until   REAL NOT NULL,
    PRIMARY KEY (scope, bucket)
) WITHOUT ROWID;
CREATE TABLE limit_slots (
    scope   TEXT NOT NULL,
    bucket  TEXT NOT NULL,
    member  INTEGER NOT NULL,
    slot    INTEGER NOT NULL,
    arrived REAL,                    -- when its call arrived at the latest; NULL: reserved, or not known yet
    PRIMARY KEY (scope, bucket, member, slot)
) WITHOUT ROWID;

-- name: version_4
-- The limits that runs share have a file of their own, which no power loss has to survive: see limits_schema.sql.
DROP TABLE limit_clock;
DROP TABLE limit_members;
DROP TABLE limit_rates;
DROP TABLE limit_slots;
