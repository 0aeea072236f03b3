-- before
CREATE TABLE {db}.t (k UInt64, x SimpleAggregateFunction(max, UInt32), `n.a` SimpleAggregateFunction(anyLast, Array(UInt8))) ENGINE = AggregatingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 1, [1, 2]);
INSERT INTO {db}.t VALUES (1, 3, [5]);

-- after
CREATE TABLE {db}.t (k UInt64, x SimpleAggregateFunction(max, UInt32), `n.a` SimpleAggregateFunction(anyLast, Array(UInt8)), `n.b` SimpleAggregateFunction(anyLast, Array(String))) ENGINE = AggregatingMergeTree ORDER BY k;

-- expect
-- plan

-- t: column n.b is missing
--   strategy: rebuild, 2 rows, 1.0 KiB
--   rewrites-data: all 2 rows of t are copied
--   holds-up-writers: inserts into t are refused while the last part is copied
-- a copy, because in place something else would come of it: n.b in rows of old parts: a merge of AggregatingMergeTree would leave empty arrays beside the others of the same Nested, which have elements
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `x` SimpleAggregateFunction(max, UInt32), `n.a` SimpleAggregateFunction(anyLast, Array(UInt8)), `n.b` SimpleAggregateFunction(anyLast, Array(String))) ENGINE = AggregatingMergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- writers are locked out (table_readonly) for the last part of the copy
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `x`, `n.a`) SELECT `k`, `x`, `n.a` FROM `db`.`t`;
-- not part of the checksum: x, n.a
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
