-- before
CREATE TABLE {db}.t (k UInt64, x UInt32, `n.a` Array(UInt8)) ENGINE = SummingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 1, [1, 2]);
INSERT INTO {db}.t VALUES (1, 3, [5]);

-- after
CREATE TABLE {db}.t (k UInt64, x UInt32, `n.a` Array(UInt8), `n.b` Array(String)) ENGINE = SummingMergeTree ORDER BY k;

-- expect
-- plan

-- t: column n.b is missing
--   strategy: rebuild, 2 rows, 1.0 KiB
--   rewrites-data: all 2 rows of t are copied
-- a copy, because in place something else would come of it: n.b in rows of old parts: a merge of SummingMergeTree would leave empty arrays beside the others of the same Nested, which have elements
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `x` UInt32, `n.a` Array(UInt8), `n.b` Array(String)) ENGINE = SummingMergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `x`, `n.a`) SELECT `k`, `x`, `n.a` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
