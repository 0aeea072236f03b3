-- before
CREATE TABLE {db}.t (k DateTime('UTC'), i UInt32) ENGINE = ReplacingMergeTree ORDER BY toStartOfDay(k);

-- rows
INSERT INTO {db}.t SETTINGS optimize_on_insert = 1 SELECT toDateTime('2020-01-31 12:30:00', 'UTC') + number * 3600, number FROM numbers(40);

-- after
CREATE TABLE {db}.t (k DateTime('Asia/Tokyo'), i UInt32) ENGINE = ReplacingMergeTree ORDER BY toStartOfDay(k);

-- allow: change-sort-key t

-- expect
-- plan

-- t: column k: type DateTime('UTC') -> DateTime('Asia/Tokyo')
--   strategy: rebuild, 3 rows, 480 B
--   old-code-breaks: code that relies on DateTime('UTC') for k may fail
--   rewrites-data: all 3 rows of t are copied
--   holds-up-writers: inserts into t are refused while the last part is copied
--   loses-rows: ReplacingMergeTree combines rows of the same sort key, and sort key toStartOfDay(k) gives other values: 3 keys become 2: other rows of t are combined [--allow 'change-sort-key t']
-- a copy, because in place something else would come of it: sort key toStartOfDay(k): it gives another value for 3 rows, for instance ('2020-01-31 00:00:00') -> ('2020-02-01 00:00:00')
CREATE TABLE db.`_aaiclick_<run>_t` (`k` DateTime('Asia/Tokyo'), `i` UInt32) ENGINE = ReplacingMergeTree ORDER BY toStartOfDay(k) SETTINGS index_granularity = 8192;
-- writers are locked out (table_readonly) for the last part of the copy
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `i`) SELECT CAST(`k`, 'DateTime(\'Asia/Tokyo\')'), `i` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
