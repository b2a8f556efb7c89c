-- Every statement that the journal of a run answers to.

-- name: append
-- One statement for a whole batch: it commits by itself, all or nothing, and the interpreter is free meanwhile.
-- Numbered on from the writer's own last event: another writer's events make it fail instead of mixing with these.
INSERT INTO events (seq, data) SELECT ?2 + key, value FROM json_each(?1);

-- name: after
SELECT seq, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: last_seq
SELECT coalesce(max(seq), 0) FROM events;

-- name: story
SELECT seq, data FROM events WHERE json_extract(data, '$.key') = ? ORDER BY seq;

-- name: ending
-- A run's last word stands among its last few events, so a killed run is not read from end to end.
SELECT seq, data FROM events
WHERE seq > (SELECT max(seq) FROM events) - 64 AND json_extract(data, '$.kind') IN ('run_started', 'run_finished')
ORDER BY seq DESC LIMIT 1;

-- name: clock
-- Starts of the run's parts, and each time that the wall clock was found to have been set.
SELECT seq, data FROM events
WHERE json_extract(data, '$.kind') = 'run_started' OR json_extract(data, '$.clock_step') IS NOT NULL ORDER BY seq;

-- name: backwards
SELECT seq, data FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?;
