-- allow: change-partition-key t

-- before
CREATE TABLE {db}.t (k UInt64, note String, total UInt64) ENGINE = ReplacingMergeTree PARTITION BY intDiv(total, 100) ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 'one', 10), (2, 'only', 20);
INSERT INTO {db}.t VALUES (1, 'two', 110);
INSERT INTO {db}.t VALUES (1, 'three', 210);
INSERT INTO {db}.t VALUES (1, 'four', 310);

-- after
CREATE TABLE {db}.t (k UInt64, note String, total Int256) ENGINE = ReplacingMergeTree PARTITION BY intDiv(total, 100) ORDER BY k;

-- expect
-- plan

-- t: column total: type UInt64 -> Int256
--   strategy: rebuild, 5 rows, 2.5 KiB
--   old-code-breaks: code that relies on UInt64 for total may fail
--   rewrites-data: all 5 rows of t are copied
--   holds-up-writers: inserts into t are refused while the last part is copied
--   changes-values: ReplacingMergeTree with FINAL takes rows of one sort key in the order of their partitions, which total changes: it shows other rows of t (rows of 1 key lie in several) [--allow 'change-partition-key t']
-- a copy, because in place something else would come of it: partition key intDiv(total, 100): its type changes (UInt64 -> Int256)
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `note` String, `total` Int256) ENGINE = ReplacingMergeTree PARTITION BY intDiv(total, 100) ORDER BY k SETTINGS index_granularity = 8192;
-- writers are locked out (table_readonly) for the last part of the copy
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `note`, `total`) SELECT `k`, `note`, CAST(`total`, 'Int256') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
