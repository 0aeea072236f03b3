-- before
CREATE TABLE {db}.t (k UInt64, n UInt8 ALIAS k + 1) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t (k) VALUES (1), (2);
ALTER TABLE {db}.t ADD COLUMN a UInt8 DEFAULT n * 2;
ALTER TABLE {db}.t ADD COLUMN b String DEFAULT concat('b', toString(a));
INSERT INTO {db}.t (k, a, b) VALUES (3, 30, 'said');

-- after
CREATE TABLE {db}.t (k UInt64, n UInt8 ALIAS k + 3, a UInt8 DEFAULT n * 2, b String DEFAULT concat('b', toString(a))) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - values of a are written into 1 part that does not hold them, before anything else
--   - column n: ALIAS k + 1 -> ALIAS k + 3
--   strategy: mutate, 3 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `a`;
ALTER TABLE `db`.`t` MODIFY COLUMN `n` UInt8 ALIAS k + 3;
