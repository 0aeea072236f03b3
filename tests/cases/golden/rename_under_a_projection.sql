-- before
CREATE TABLE {db}.t (k UInt64, a UInt32, PROJECTION p (SELECT a, count() GROUP BY a)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT number, number % 3 FROM numbers(9);

-- after
CREATE TABLE {db}.t (k UInt64, z UInt32, PROJECTION p (SELECT z, count() GROUP BY z)) ENGINE = MergeTree ORDER BY k;

-- renames
a -> z

-- expect
-- plan

-- t:
--   - column a is renamed to z
--   - projection p is made anew (a is renamed)
--   strategy: mutate, 9 rows, 0 B
--   old-code-breaks: code that reads or writes a fails
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP PROJECTION `p`;
ALTER TABLE `db`.`t` RENAME COLUMN `a` TO `z`;
ALTER TABLE `db`.`t` ADD PROJECTION `p` (SELECT z, count() GROUP BY z);
ALTER TABLE `db`.`t` APPLY DELETED MASK;
ALTER TABLE `db`.`t` APPLY DELETED MASK, MATERIALIZE PROJECTION `p`;
