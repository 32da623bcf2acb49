-- SPDX-License-Identifier: Apache-2.0
-- search/schema.sql -- the trial store, version 1 (PRAGMA user_version).
-- Part 1 is Optuna's schema (12, head v3.2.0.a), so that its tools open the file. Part 2 is ours: x_* STRICT tables.
-- Part 3, the v_* views, is the documented interface (search/README.md): columns are added, never renamed.
-- This file stays as it is: what came later is in schema_2.sql and so on, one file per version (store_open.c).

-- Part 1: Optuna --------------------------------------------------------------------------------------------

CREATE TABLE studies (
	study_id INTEGER NOT NULL,
	study_name VARCHAR(512) NOT NULL,
	PRIMARY KEY (study_id)
);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL,
	schema_version INTEGER,
	library_version VARCHAR(256),
	PRIMARY KEY (version_info_id),
	CHECK (version_info_id = 1)
);
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL,
	direction VARCHAR(8) NOT NULL,
	study_id INTEGER NOT NULL,
	objective INTEGER NOT NULL,
	PRIMARY KEY (study_direction_id),
	UNIQUE (study_id, objective),
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL,
	study_id INTEGER,
	"key" VARCHAR(512),
	value_json TEXT,
	PRIMARY KEY (study_user_attribute_id),
	UNIQUE (study_id, "key"),
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL,
	study_id INTEGER,
	"key" VARCHAR(512),
	value_json TEXT,
	PRIMARY KEY (study_system_attribute_id),
	UNIQUE (study_id, "key"),
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trials (
	trial_id INTEGER NOT NULL,
	number INTEGER,
	study_id INTEGER,
	state VARCHAR(8) NOT NULL,
	datetime_start DATETIME,
	datetime_complete DATETIME,
	PRIMARY KEY (trial_id),
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL,
	trial_id INTEGER,
	"key" VARCHAR(512),
	value_json TEXT,
	PRIMARY KEY (trial_user_attribute_id),
	UNIQUE (trial_id, "key"),
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL,
	trial_id INTEGER,
	"key" VARCHAR(512),
	value_json TEXT,
	PRIMARY KEY (trial_system_attribute_id),
	UNIQUE (trial_id, "key"),
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL,
	trial_id INTEGER,
	param_name VARCHAR(512),
	param_value FLOAT,
	distribution_json TEXT,
	PRIMARY KEY (param_id),
	UNIQUE (trial_id, param_name),
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL,
	trial_id INTEGER NOT NULL,
	objective INTEGER NOT NULL,
	value FLOAT,
	value_type VARCHAR(7) NOT NULL,
	PRIMARY KEY (trial_value_id),
	UNIQUE (trial_id, objective),
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL,
	trial_id INTEGER NOT NULL,
	step INTEGER NOT NULL,
	intermediate_value FLOAT,
	intermediate_value_type VARCHAR(7) NOT NULL,
	PRIMARY KEY (trial_intermediate_value_id),
	UNIQUE (trial_id, step),
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL,
	trial_id INTEGER NOT NULL,
	heartbeat DATETIME NOT NULL,
	PRIMARY KEY (trial_heartbeat_id),
	UNIQUE (trial_id),
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO version_info VALUES (1, 12, 'gradmill');
INSERT INTO alembic_version VALUES ('v3.2.0.a');

-- Part 2: ours ----------------------------------------------------------------------------------------------

-- Optuna itself only counts rows; two trials with one number would break every resume.
CREATE UNIQUE INDEX x_trials_number ON trials (study_id, number);

-- What a study was started with. A later run must agree with every column down to "batch" (search/study.c).
CREATE TABLE x_study (
	study_id INTEGER PRIMARY KEY REFERENCES studies (study_id),
	space TEXT NOT NULL,
	sampler TEXT NOT NULL,
	seed INTEGER NOT NULL,
	data TEXT NOT NULL,
	data_key TEXT NOT NULL,
	limit_train INTEGER NOT NULL, -- 0: all rows
	latent INTEGER NOT NULL,      -- 0: sampled
	epochs INTEGER NOT NULL,      -- 0: sampled
	batch INTEGER NOT NULL,       -- 0: sampled
	delay INTEGER NOT NULL,       -- D: a proposal sees results at least D steps back
	width INTEGER NOT NULL,
	ntrain INTEGER NOT NULL,
	nval INTEGER NOT NULL,
	ntest INTEGER NOT NULL,
	target TEXT NOT NULL,         -- processor features and LLVM version of the first run
	build TEXT NOT NULL,
	created TEXT NOT NULL
) STRICT;

CREATE TABLE x_trial (
	trial_id INTEGER PRIMARY KEY REFERENCES trials (trial_id),
	ir TEXT NOT NULL,
	arch_key TEXT NOT NULL,
	trial_key TEXT NOT NULL,
	sampler TEXT NOT NULL,
	parent INTEGER,               -- number of the trial it was made from
	latent INTEGER NOT NULL,
	attempts INTEGER NOT NULL,    -- how often a worker died on it
	n_params INTEGER,
	flops INTEGER,                -- of one training step
	arena_bytes INTEGER,
	compile_ms REAL,
	train_s REAL,
	epochs INTEGER,               -- finished
	cause TEXT,                   -- why it failed
	value_bits TEXT,
	weights_key TEXT,
	test_value REAL,              -- finalists only
	weights_file TEXT,
	target TEXT
) STRICT;
CREATE INDEX x_trial_key ON x_trial (trial_key);

-- The values of trial_params as people read them: the choice itself, not its index. (A view could find them by JSON
-- functions, but SQLite counts those as unsafe in a schema that it was told not to trust, which "query" does.)
CREATE TABLE x_param (
	trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
	name TEXT NOT NULL,
	value ANY,
	PRIMARY KEY (trial_id, name)
) STRICT, WITHOUT ROWID;

-- The same numbers as trial_intermediate_values, as exact bits: "train:validation", IEEE 754 doubles in hexadecimal.
CREATE TABLE x_epoch (
	trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
	step INTEGER NOT NULL,
	bits TEXT NOT NULL,
	PRIMARY KEY (trial_id, step)
) STRICT, WITHOUT ROWID;

-- The floor: PCA with the same latent size on the same training rows.
CREATE TABLE x_floor (
	study_id INTEGER NOT NULL REFERENCES studies (study_id),
	latent INTEGER NOT NULL,
	val_mse REAL NOT NULL,
	test_mse REAL NOT NULL,
	PRIMARY KEY (study_id, latent)
) STRICT, WITHOUT ROWID;

-- What the clock, a signal or a dying worker decided: inputs of the search that are not options.
CREATE TABLE x_event (
	event_id INTEGER PRIMARY KEY,
	study_id INTEGER NOT NULL REFERENCES studies (study_id),
	at TEXT NOT NULL,
	what TEXT NOT NULL,
	number INTEGER
) STRICT;

-- Part 3: views ---------------------------------------------------------------------------------------------

-- Every parameter with its readable value.
CREATE VIEW v_params AS
SELECT p.trial_id, s.study_name AS study, t.number, p.name, p.value
FROM x_param p JOIN trials t USING (trial_id) JOIN studies s USING (study_id);

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
	t.datetime_start AS started, t.datetime_complete AS ended
FROM trials t JOIN studies s USING (study_id) LEFT JOIN x_trial x USING (trial_id)
	LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0;

CREATE VIEW v_curves AS
SELECT s.study_name AS study, t.number, i.step, i.intermediate_value AS value
FROM trial_intermediate_values i JOIN trials t USING (trial_id) JOIN studies s USING (study_id)
ORDER BY s.study_id, t.number, i.step;

CREATE VIEW v_best AS
SELECT s.study_name AS study, t.number, v.value, x.test_value, f.val_mse AS pca_value, f.test_mse AS pca_test_value,
	x.latent, x.n_params, x.train_s
FROM trials t JOIN studies s USING (study_id) JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0
	JOIN x_trial x ON x.trial_id = t.trial_id LEFT JOIN x_floor f ON f.study_id = t.study_id AND f.latent = x.latent
WHERE t.state = 'COMPLETE'
ORDER BY v.value, t.number;

-- What must be equal for any number of threads and workers and after any kill: no times, hosts or attempts.
CREATE VIEW v_repro AS
SELECT s.study_name AS study, t.number, t.state, x.arch_key AS ir_hash, x.trial_key, x.cause,
	(SELECT group_concat(name || '=' || value, ' ') FROM (SELECT p.name, CASE typeof(p.value) WHEN 'real'
		THEN printf('%!.17g', p.value) ELSE p.value END AS value FROM x_param p WHERE p.trial_id = t.trial_id
		ORDER BY p.name)) AS params,
	x.value_bits, x.weights_key,
	(SELECT group_concat(bits, ' ') FROM (SELECT e.bits FROM x_epoch e WHERE e.trial_id = t.trial_id ORDER BY e.step))
		AS loss_bits
FROM trials t JOIN studies s USING (study_id) JOIN x_trial x ON x.trial_id = t.trial_id
WHERE t.state IN ('COMPLETE', 'PRUNED', 'FAIL')
ORDER BY s.study_name, t.number;

PRAGMA user_version = 1;
