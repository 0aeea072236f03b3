-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1), (2);
ALTER TABLE {db}.t ADD COLUMN m UInt64 MATERIALIZED k + 1;
INSERT INTO {db}.t VALUES (3);

-- after
CREATE TABLE {db}.t (k UInt64, m UInt64 MATERIALIZED k + 10) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - values of m are written into 1 part that does not hold them, before anything else
--   - column m: MATERIALIZED k + 1 -> MATERIALIZED k + 10, for new rows
--   strategy: mutate, 3 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `m`;
ALTER TABLE `db`.`t` MODIFY COLUMN `m` UInt64 MATERIALIZED k + 10;
