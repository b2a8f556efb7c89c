-- Every statement that the state shared by all runs answers to.

-- name: save_pace
INSERT OR REPLACE INTO paces (cloud, bucket, rate) VALUES (?, ?, ?);

-- name: paces
SELECT cloud, bucket, rate FROM paces;

-- name: add_durations
INSERT INTO durations (chart, seconds) SELECT ?1, value FROM json_each(?2);

-- name: trim_durations
DELETE FROM durations WHERE chart = ?1 AND id <= (
    SELECT id FROM durations WHERE chart = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2
);

-- name: durations
SELECT chart, seconds FROM durations ORDER BY chart, id;
