-- before
CREATE TABLE {db}.t (k Date, i UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i;

-- rows
INSERT INTO {db}.t SELECT toDate('2020-01-01') + number % 2, number FROM numbers(20);

-- after
CREATE TABLE {db}.t (k UInt16, i UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i;

-- expect
-- plan

-- t: column k: type Date -> UInt16
--   strategy: rebuild, 20 rows, 1.0 KiB
--   old-code-breaks: code that relies on Date for k may fail
--   rewrites-data: all 20 rows of t are copied
-- a copy, because in place something else would come of it: partition key k: it gives another value for 20 rows, for instance ('2020-01-02') -> (18263)
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt16, `i` UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of k that UInt16 cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `i`) SELECT CAST(`k`, 'UInt16'), `i` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
