-- before
CREATE TABLE {db}.t (k DateTime('UTC'), i UInt32) ENGINE = MergeTree PARTITION BY toYYYYMM(k) ORDER BY i;

-- rows
INSERT INTO {db}.t SELECT toDateTime('2020-01-31 12:30:00', 'UTC') + number * 3600, number FROM numbers(40);

-- after
CREATE TABLE {db}.t (k DateTime('Asia/Tokyo'), i UInt32) ENGINE = MergeTree PARTITION BY toYYYYMM(k) ORDER BY i;

-- expect
-- plan

-- t: column k: type DateTime('UTC') -> DateTime('Asia/Tokyo')
--   strategy: rebuild, 40 rows, 1.2 KiB
--   old-code-breaks: code that relies on DateTime('UTC') for k may fail
--   rewrites-data: all 40 rows of t are copied
-- a copy, because in place something else would come of it: partition key toYYYYMM(k): it gives another value for 9 rows, for instance (202001) -> (202002)
CREATE TABLE db.`_aaiclick_<run>_t` (`k` DateTime('Asia/Tokyo'), `i` UInt32) ENGINE = MergeTree PARTITION BY toYYYYMM(k) ORDER BY i SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `i`) SELECT CAST(`k`, 'DateTime(\'Asia/Tokyo\')'), `i` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
