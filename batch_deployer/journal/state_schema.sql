-- What all runs of one state folder share. Each section is one step of the schema; a step once released is never changed.

-- name: version_1
CREATE TABLE leases (
    name          TEXT PRIMARY KEY,  -- the manifest's name
    run           TEXT NOT NULL,
    token         TEXT NOT NULL,     -- drawn anew by each holder
    host          TEXT NOT NULL,
    boot          TEXT NOT NULL,
    space         TEXT NOT NULL,     -- the namespace that the pid counts in
    pid           INTEGER NOT NULL,
    born          TEXT NOT NULL,     -- start time of the process, since a pid is used again
    since         REAL NOT NULL,     -- wall clock
    renewed_boot  REAL NOT NULL,     -- seconds since boot, suspended time included
    renewed_wall  REAL NOT NULL,
    length        REAL NOT NULL      -- seconds
) WITHOUT ROWID;
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
