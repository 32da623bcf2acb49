-- SPDX-License-Identifier: Apache-2.0
-- search/schema_2.sql -- what version 2 of the trial store adds to version 1 (schema.sql): where a trial's steps spent
-- their time. New files get both, one after the other; older files get this one when they are next opened to be written.

-- One row per trial that was run with --profile.
CREATE TABLE x_profile (
	trial_id INTEGER PRIMARY KEY REFERENCES trials (trial_id),
	threads INTEGER NOT NULL,     -- that really ran
	steps INTEGER NOT NULL,       -- counted
	step_s REAL NOT NULL,         -- one step by the clock
	peak_gflops REAL,             -- of the machine, on as many threads; NULL: could not be measured
	memory_gbytes REAL            -- the same: bytes copied per second
) STRICT;

-- Its rows, longest first, then barriers and the rest. Everything is per step, of all threads together.
CREATE TABLE x_kernel (
	trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
	place INTEGER NOT NULL,
	kernel TEXT NOT NULL,
	shape TEXT,                   -- this and all below but seconds: NULL where there is no kernel
	fused INTEGER,
	launches INTEGER,             -- of barriers: how many
	seconds REAL NOT NULL,
	flops REAL,
	bytes REAL,
	PRIMARY KEY (trial_id, place)
) STRICT, WITHOUT ROWID;

-- Sums over the whole trial. Rates are as if all threads ran this kernel: one thread's rate times the threads.
CREATE VIEW v_kernels AS
SELECT s.study_name AS study, t.number, k.kernel, k.shape, k.fused, p.threads, k.launches * p.steps AS calls,
	k.seconds * p.steps AS seconds, k.flops * p.steps AS flops, k.bytes * p.steps AS bytes,
	k.flops / k.seconds * p.threads / 1e9 AS gflops, k.flops / k.seconds * p.threads / 1e9 / p.peak_gflops AS peak_share,
	k.bytes / k.seconds * p.threads / 1e9 AS gbytes, k.bytes / k.seconds * p.threads / 1e9 / p.memory_gbytes AS memory_share,
	k.seconds / (p.step_s * p.threads) AS time_share, p.steps, p.step_s, p.peak_gflops, p.memory_gbytes
FROM x_kernel k JOIN x_profile p USING (trial_id) JOIN trials t USING (trial_id) JOIN studies s USING (study_id)
ORDER BY s.study_id, t.number, k.place;

PRAGMA user_version = 2;
