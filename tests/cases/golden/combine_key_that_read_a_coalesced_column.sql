-- allow: change-sort-key t

-- before
CREATE TABLE {db}.t (k UInt64, day Date) ENGINE = CoalescingMergeTree ORDER BY (k, toYear(day));

-- rows
INSERT INTO {db}.t VALUES (3, '2020-02-29');
INSERT INTO {db}.t VALUES (3, '2020-01-01');

-- after
CREATE TABLE {db}.t (k UInt64, day Date) ENGINE = CoalescingMergeTree ORDER BY k;

-- expect
-- plan

-- t: sort key (k, toYear(day)) -> k
--   strategy: rebuild, 2 rows, 952 B
--   rewrites-data: all 2 rows of t are copied
--   holds-up-writers: inserts into t are refused while the last part is copied
--   changes-values: t: merges keep the first value of day no longer, and keep the last value of day from now on [--allow 'change-sort-key t']
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `day` Date) ENGINE = CoalescingMergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- writers are locked out (table_readonly) for the last part of the copy
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `day`) SELECT `k`, `day` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
