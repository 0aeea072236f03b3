-- before
CREATE TABLE {db}.t (k Enum8('a' = 1, 'b' = 2), i UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i;

-- rows
INSERT INTO {db}.t SELECT ['a', 'b'][number % 2 + 1], number FROM numbers(20);

-- after
CREATE TABLE {db}.t (k Int8, i UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i;

-- expect
-- plan

-- t: column k: type Enum8('a' = 1, 'b' = 2) -> Int8
--   strategy: rebuild, 20 rows, 1.0 KiB
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2) for k may fail
--   rewrites-data: all 20 rows of t are copied
-- a copy, because in place something else would come of it: partition key k: the server would go on with the old type of the key until it restarts
CREATE TABLE db.`_aaiclick_<run>_t` (`k` Int8, `i` UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of k that Int8 cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `i`) SELECT CAST(`k`, 'Int8'), `i` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
