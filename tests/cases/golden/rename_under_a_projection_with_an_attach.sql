-- renames: a -> b
-- before
CREATE TABLE {db}.t (k UInt64, a UInt8, PROJECTION p (SELECT a, count() GROUP BY a)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT number, number % 7 FROM numbers(100);
INSERT INTO {db}.t SELECT number + 50, number % 7 FROM numbers(100);

-- after
CREATE TABLE {db}.t (k UInt64, b UInt8, PROJECTION p (SELECT b, count() GROUP BY b)) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 1024;

-- expect
-- plan

-- t:
--   - column a is renamed to b
--   - setting index_granularity 8192 -> 1024
--   - projection p is made anew (a is renamed)
--   strategy: attach, 200 rows, 0 B
--   old-code-breaks: code that reads or writes a fails
--   holds-up-writers: inserts into t wait or are refused for a moment
ALTER TABLE `db`.`t` DROP PROJECTION `p`;
ALTER TABLE `db`.`t` RENAME COLUMN `a` TO `b`;
ALTER TABLE `db`.`t` ADD PROJECTION `p` (SELECT b, count() GROUP BY b);
ALTER TABLE `db`.`t` APPLY DELETED MASK;
ALTER TABLE `db`.`t` APPLY DELETED MASK, MATERIALIZE PROJECTION `p`;
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `b` UInt8, PROJECTION p (SELECT b, count() GROUP BY b)) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 1024;
-- writers wait from here (table_readonly) where the server has that; elsewhere the tables are exchanged first
ALTER TABLE `db`.`_aaiclick_<run>_t` ATTACH PARTITION ALL FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their parts across, compare; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
