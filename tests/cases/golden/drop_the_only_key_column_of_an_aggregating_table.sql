-- allow: drop-column t.w, change-sort-key t
-- before
CREATE TABLE {db}.t (s SimpleAggregateFunction(sum, UInt64), w LowCardinality(String)) ENGINE = AggregatingMergeTree ORDER BY w;

-- rows
INSERT INTO {db}.t (s, w) VALUES (1, 'a');
INSERT INTO {db}.t (s, w) VALUES (2, 'a');

-- after
CREATE TABLE {db}.t (s SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY tuple();

-- expect
-- plan

-- t:
--   - column w is no longer declared
--   - sort key w -> none
--   strategy: rebuild, 2 rows, 808 B
--   changes-values: the values of t.w are gone [--allow 'drop-column t.w']
--   old-code-breaks: code that reads or writes w fails
--   cannot-be-undone: a dropped column cannot be brought back: w
--   rewrites-data: all 2 rows of t are copied
--   changes-values: AggregatingMergeTree combines rows of the same sort key: rows of 1 key, which it would combine, stay apart as 2 [--allow 'change-sort-key t']
CREATE TABLE db.`_aaiclick_<run>_t` (`s` SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY tuple() SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`s`) SELECT `s` FROM `db`.`t`;
-- not part of the checksum: s
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
