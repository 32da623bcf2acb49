-- SPDX-License-Identifier: Apache-2.0
-- search/schema_4.sql -- what version 4 of the trial store adds: errors beside what there is to explain. The floor of latent
-- 0 is the error of predicting the mean of the training rows.

DROP VIEW v_best;
CREATE VIEW v_best AS
SELECT s.study_name AS study, t.number, v.value, x.test_value, f.val_mse AS pca_value, f.test_mse AS pca_test_value,
	x.latent, x.n_params, x.train_s, v.value / m.val_mse AS nmse, x.test_value / m.test_mse AS test_nmse
FROM trials t JOIN studies s USING (study_id) JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0
	JOIN x_trial x ON x.trial_id = t.trial_id LEFT JOIN x_floor f ON f.study_id = t.study_id AND f.latent = x.latent
	LEFT JOIN x_floor m ON m.study_id = t.study_id AND m.latent = 0
WHERE t.state = 'COMPLETE'
ORDER BY v.value, t.number;

PRAGMA user_version = 4;
