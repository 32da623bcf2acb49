-- Questions for a trial history: gradmill query study.db "SELECT .." or sqlite3 study.db < queries.sql
-- (views and their columns: search/README.md)

-- 1. The ten best trials beside the PCA floor.
SELECT b.number, b.value, b.pca_value, t.activation, t.stem_width, t.blocks, t.skip, t.optimizer, t.lr
FROM v_best b JOIN v_trials t USING (study, number) ORDER BY b.value LIMIT 10;

-- 2. What did each activation and kind of skip bring?
SELECT activation, coalesce(skip, 'no blocks') AS skip, count(*) AS trials, min(value) AS best, avg(value) AS mean
FROM v_trials WHERE state = 'COMPLETE' GROUP BY 1, 2 ORDER BY best;

-- 3. The best error for every budget of parameters: nothing smaller is better (the Pareto front).
SELECT number, n_params, value FROM v_trials t WHERE state = 'COMPLETE' AND NOT EXISTS (SELECT 1 FROM v_trials o
	WHERE o.study = t.study AND o.state = 'COMPLETE' AND o.n_params <= t.n_params AND o.value <= t.value
	AND (o.n_params < t.n_params OR o.value < t.value)) ORDER BY n_params;

-- 4. Learning curves of the three best.
SELECT c.number, c.step, c.value FROM v_curves c WHERE (c.study, c.number) IN (SELECT study, number FROM v_best ORDER BY value LIMIT 3)
ORDER BY c.number, c.step;

-- 5. What failed, and why?
SELECT cause, count(*) AS trials FROM v_trials WHERE state = 'FAIL' GROUP BY cause ORDER BY trials DESC;

-- 6. Where did the time go?
SELECT sum(train_s) AS train_s, sum(compile_ms) / 1000 AS compile_s, avg(compile_ms) AS ms_per_model FROM v_trials;

-- 7. The same, kernel by kernel, after a search with --profile: all trials together, seconds of all threads.
SELECT kernel, sum(calls) AS calls, sum(seconds) AS seconds, sum(flops) / sum(seconds * peak_gflops / threads) / 1e9 AS peak_share
FROM v_kernels GROUP BY kernel ORDER BY seconds DESC;

-- 8. How did the best trial come about? From its first ancestor to itself (--sampler evolution or local).
WITH RECURSIVE line(study, number) AS (SELECT study, number FROM (SELECT study, number FROM v_best ORDER BY value, number LIMIT 1)
	UNION ALL SELECT t.study, t.parent FROM line JOIN v_trials t USING (study, number) WHERE t.parent IS NOT NULL)
SELECT t.number, t.value, t.epochs, t.mutation FROM line JOIN v_trials t USING (study, number) ORDER BY t.number;

-- 9. What did the clock, a limit, a dying worker or another program decide?
SELECT at, what, number FROM v_events ORDER BY at;
