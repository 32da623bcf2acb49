-- SPDX-License-Identifier: Apache-2.0
-- search/schema_3.sql -- what version 3 of the trial store adds: where a proposal came from, who drives a study, and
-- what others ask of a running search.

ALTER TABLE x_trial ADD COLUMN mutation TEXT;  -- what differs from the parent: "lr: 0.001 -> 0.002, skip: none -> block"
ALTER TABLE x_trial ADD COLUMN pid INTEGER;    -- process that trains it, or did last
ALTER TABLE x_study ADD COLUMN keep INTEGER;  -- whose weights stay on disk: of the best so many, -1: of all; NULL: 1
ALTER TABLE x_study ADD COLUMN origin TEXT;    -- the study whose trials it began with (search --as-new)

-- Who drives a study, or drove it last. Whether it still does, only the lease knows (store_ops.c, Note [Lease]).
CREATE TABLE x_driver (
	study_id INTEGER PRIMARY KEY REFERENCES studies (study_id),
	pid INTEGER NOT NULL,
	host TEXT NOT NULL,
	started TEXT NOT NULL,
	jobs INTEGER NOT NULL,
	threads INTEGER NOT NULL,     -- of all workers together
	planned INTEGER NOT NULL,     -- --trials; 0: no limit
	until TEXT                    -- --time: when it ends; NULL: no limit
) STRICT;

-- What "gradmill stop" asks for. A driver looks here whenever somebody else has changed the file.
CREATE TABLE x_request (
	request_id INTEGER PRIMARY KEY,
	study_id INTEGER NOT NULL REFERENCES studies (study_id),
	at TEXT NOT NULL,
	what TEXT NOT NULL,           -- 'stop': after the running trials; 'stop now'
	taken TEXT                    -- when a driver obeyed; NULL: not yet
) STRICT;

CREATE VIEW v_events AS
SELECT s.study_name AS study, e.at, e.what, e.number
FROM x_event e JOIN studies s USING (study_id)
ORDER BY e.event_id;

DROP VIEW v_trials;
CREATE VIEW v_trials AS
SELECT s.study_name AS study, t.number, t.state, v.value, x.arch_key AS ir_hash, x.parent, x.n_params, x.flops,
	x.arena_bytes, x.compile_ms, x.train_s, x.epochs, x.cause, x.ir,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'stem_width') AS stem_width,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'blocks') AS blocks,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'layers') AS layers,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'activation') AS activation,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'skip') AS skip,
	x.latent,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'optimizer') AS optimizer,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name IN ('lr', 'lr_sgd')) AS lr,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'schedule') AS schedule,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'weight_decay') AS weight_decay,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'clip_norm') AS clip_norm,
	(SELECT value FROM x_param p WHERE p.trial_id = t.trial_id AND p.name = 'batch') AS batch,
	x.test_value, x.sampler, x.attempts, x.trial_key, x.weights_key, x.weights_file, x.target,
	t.datetime_start AS started, t.datetime_complete AS ended, x.mutation, x.pid
FROM trials t JOIN studies s USING (study_id) LEFT JOIN x_trial x USING (trial_id)
	LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0;

DROP VIEW v_repro;
CREATE VIEW v_repro AS
SELECT s.study_name AS study, t.number, t.state, x.arch_key AS ir_hash, x.trial_key, x.cause,
	(SELECT group_concat(name || '=' || value, ' ') FROM (SELECT p.name, CASE typeof(p.value) WHEN 'real'
		THEN printf('%!.17g', p.value) ELSE p.value END AS value FROM x_param p WHERE p.trial_id = t.trial_id
		ORDER BY p.name)) AS params,
	x.value_bits, x.weights_key,
	(SELECT group_concat(bits, ' ') FROM (SELECT e.bits FROM x_epoch e WHERE e.trial_id = t.trial_id ORDER BY e.step))
		AS loss_bits,
	x.sampler, x.parent, x.mutation
FROM trials t JOIN studies s USING (study_id) JOIN x_trial x ON x.trial_id = t.trial_id
WHERE t.state IN ('COMPLETE', 'PRUNED', 'FAIL')
ORDER BY s.study_name, t.number;

PRAGMA user_version = 3;
