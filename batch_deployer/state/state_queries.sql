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

-- name: limit_clock
SELECT boot, at FROM limit_clock;

-- name: clear_limit_clock
DELETE FROM limit_clock;

-- name: set_limit_clock
INSERT INTO limit_clock (boot, at) VALUES (?, ?);

-- name: limit_scopes
SELECT scope FROM limit_rates UNION SELECT scope FROM limit_members;

-- name: limit_members
SELECT id, run, process, mode, renewed, rates FROM limit_members WHERE scope = ?;

-- name: limit_member_ids
SELECT id FROM limit_members WHERE scope = ?;

-- name: last_limit_member
SELECT max(
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'limit_members'), 0),
    coalesce((SELECT max(member) FROM limit_slots), 0)
);

-- name: save_limit_member
INSERT OR REPLACE INTO limit_members (id, scope, run, process, mode, renewed, rates) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: remove_limit_member
DELETE FROM limit_members WHERE id = ?;

-- name: limit_rates
SELECT bucket, next_spaced_at, pace, paused_until FROM limit_rates WHERE scope = ?;

-- name: save_limit_rate
INSERT OR REPLACE INTO limit_rates (scope, bucket, next_spaced_at, pace, paused_until) VALUES (?, ?, ?, ?, ?);

-- name: limit_slots
SELECT bucket, member, slot, arrived FROM limit_slots WHERE scope = ?;

-- name: save_limit_slots
INSERT OR REPLACE INTO limit_slots (scope, bucket, member, slot, arrived)
SELECT ?1, ?2, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?3);

-- name: remove_limit_slots
DELETE FROM limit_slots
WHERE scope = ?1 AND bucket = ?2 AND (member, slot) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3));
