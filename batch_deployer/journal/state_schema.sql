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
