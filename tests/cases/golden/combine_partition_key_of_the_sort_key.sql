-- before
CREATE TABLE {db}.t (k UInt64, d UInt8, v UInt64) ENGINE = ReplacingMergeTree ORDER BY (k, d);

-- rows
INSERT INTO {db}.t VALUES (1, 1, 5), (2, 1, 6), (1, 2, 7);

-- after
CREATE TABLE {db}.t (k UInt64, d UInt8, v UInt64) ENGINE = ReplacingMergeTree PARTITION BY d % 2 ORDER BY (k, d);

-- expect
-- plan

-- t: partition key none -> d % 2
--   strategy: rebuild, 3 rows, 619 B
--   rewrites-data: all 3 rows of t are copied
--   holds-up-writers: inserts into t are refused while the last part is copied
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `d` UInt8, `v` UInt64) ENGINE = ReplacingMergeTree PARTITION BY d % 2 ORDER BY (k, d) SETTINGS index_granularity = 8192;
-- writers are locked out (table_readonly) for the last part of the copy
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `d`, `v`) SELECT `k`, `d`, `v` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
