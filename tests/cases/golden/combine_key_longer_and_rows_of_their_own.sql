-- before
CREATE TABLE {db}.t (k UInt64, d UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT number, number % 3 + 1, number + 1 FROM numbers(50);

-- after
CREATE TABLE {db}.t (k UInt64, d UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY (k, d);

-- expect
-- plan

-- t: sort key k -> (k, d)
--   strategy: rebuild, 50 rows, 1006 B
--   rewrites-data: all 50 rows of t are copied
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `d` UInt8, `v` UInt64) ENGINE = SummingMergeTree ORDER BY (k, d) SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `d`, `v`) SELECT `k`, `d`, `v` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
