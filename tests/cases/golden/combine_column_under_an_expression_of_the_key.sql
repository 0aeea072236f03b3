-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = AggregatingMergeTree ORDER BY intDiv(k, 10);

-- rows
INSERT INTO {db}.t VALUES (3);
INSERT INTO {db}.t VALUES (7);
INSERT INTO {db}.t VALUES (12);

-- after
CREATE TABLE {db}.t (k Decimal(18, 4)) ENGINE = AggregatingMergeTree ORDER BY intDiv(k, 10);

-- expect
-- plan

-- t: column k: type UInt64 -> Decimal(18, 4)
--   strategy: rebuild, 3 rows, 1.0 KiB
--   old-code-breaks: code that relies on UInt64 for k may fail
--   rewrites-data: all 3 rows of t are copied
-- a copy, because in place something else would come of it: sort key intDiv(k, 10): its type changes (UInt64 -> Int64)
CREATE TABLE db.`_aaiclick_<run>_t` (`k` Decimal(18, 4)) ENGINE = AggregatingMergeTree ORDER BY intDiv(k, 10) SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of k that Decimal(18, 4) cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`) SELECT CAST(`k`, 'Decimal(18, 4)') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
