-- Statements on limits.db.

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
