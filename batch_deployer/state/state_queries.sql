-- Every statement that the state shared by all runs answers to.

-- name: save_rate
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

-- name: remember
INSERT OR REPLACE INTO remembered (key, confirmed, sent) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1);

-- name: forget
DELETE FROM remembered WHERE key IN (SELECT value FROM json_each(?1));

-- name: trim_remembered
DELETE FROM remembered WHERE id <= (SELECT id FROM remembered ORDER BY id DESC LIMIT 1 OFFSET ?1);

-- name: save_values
INSERT OR REPLACE INTO sent_values (digest, leaves) VALUES (?1, ?2);

-- name: trim_values
DELETE FROM sent_values WHERE digest NOT IN (SELECT sent FROM remembered);

-- name: remembered
SELECT key, confirmed, sent FROM remembered;

-- name: sent_values
SELECT digest, leaves FROM sent_values;
