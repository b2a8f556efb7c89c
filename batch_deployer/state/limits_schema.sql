-- The rate limits that runs of one state folder share just now. Nothing here has to survive the host: its clock begins anew.

-- name: version_1
-- Rate limits that runs share. Times are monotonic seconds of the boot in limit_clock.
CREATE TABLE limit_clock (
    boot TEXT NOT NULL,
    at   REAL NOT NULL               -- of the last exchange
);
CREATE TABLE limit_members (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: a run that was put out must not take part as another
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
