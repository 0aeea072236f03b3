-- before
CREATE TABLE {db}.t (k UInt64, b UInt64 ALIAS k + 1) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t (k) VALUES (1), (2);

-- after
CREATE TABLE {db}.t (k UInt64, b UInt64 DEFAULT 9) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - values of b (ALIAS k + 1) are written into 1 part that does not hold them, before anything else
--   - column b: DEFAULT k + 1 -> DEFAULT 9
--   strategy: mutate, 2 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `b` UInt64 DEFAULT k + 1;
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `b`;
ALTER TABLE `db`.`t` MODIFY COLUMN `b` UInt64 DEFAULT 9;
