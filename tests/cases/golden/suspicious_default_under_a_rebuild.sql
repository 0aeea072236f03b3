-- before
CREATE TABLE {db}.t (k Int64, c Tuple(x UInt8, y LowCardinality(Int64)) MATERIALIZED CAST((1, 7), 'Tuple(x UInt8, y LowCardinality(Int64))')) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t (k) SELECT number FROM numbers(10);

-- after
CREATE TABLE {db}.t (k String, c Tuple(x UInt8, y LowCardinality(Int64)) MATERIALIZED CAST((1, 7), 'Tuple(x UInt8, y LowCardinality(Int64))')) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t: column k: type Int64 -> String
--   strategy: rebuild, 10 rows, 698 B
--   old-code-breaks: code that relies on Int64 for k may fail
--   rewrites-data: all 10 rows of t are copied
-- a copy, because in place something else would come of it: sort key k: its type changes (Int64 -> String)
CREATE TABLE db.`_aaiclick_<run>_t` (`k` String, `c` Tuple(x UInt8, y LowCardinality(Int64)) MATERIALIZED CAST((1, 7), 'Tuple(x UInt8, y LowCardinality(Int64))')) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `c`) SELECT CAST(`k`, 'String'), `c` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
