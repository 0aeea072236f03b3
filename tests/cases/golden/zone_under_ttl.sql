-- before
CREATE TABLE {db}.t (k DateTime('UTC'), i UInt32) ENGINE = MergeTree ORDER BY i TTL toDate(k) + toIntervalYear(100);

-- rows
INSERT INTO {db}.t SELECT toDateTime('2020-01-31 12:30:00', 'UTC') + number * 3600, number FROM numbers(40);

-- after
CREATE TABLE {db}.t (k DateTime('Asia/Tokyo'), i UInt32) ENGINE = MergeTree ORDER BY i TTL toDate(k) + toIntervalYear(100);

-- expect
-- plan

-- t: column k: type DateTime('UTC') -> DateTime('Asia/Tokyo')
--   strategy: rebuild, 40 rows, 862 B
--   old-code-breaks: code that relies on DateTime('UTC') for k may fail
--   rewrites-data: all 40 rows of t are copied
-- a copy, because in place something else would come of it: TTL toDate(k) + toIntervalYear(100): it gives another value for 18 rows, for instance (4736102400) -> (4736188800)
CREATE TABLE db.`_aaiclick_<run>_t` (`k` DateTime('Asia/Tokyo'), `i` UInt32) ENGINE = MergeTree ORDER BY i TTL toDate(k) + toIntervalYear(100) SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `i`) SELECT CAST(`k`, 'DateTime(\'Asia/Tokyo\')'), `i` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
