-- before
CREATE TABLE {db}.t (k Enum8('a' = 1, 'b' = 2), i UInt32) ENGINE = MergeTree ORDER BY toString(k);

-- rows
INSERT INTO {db}.t SELECT ['a', 'b'][number % 2 + 1], number FROM numbers(20);

-- after
CREATE TABLE {db}.t (k Int8, i UInt32) ENGINE = MergeTree ORDER BY toString(k);

-- expect
-- plan

-- t: column k: type Enum8('a' = 1, 'b' = 2) -> Int8
--   strategy: rebuild, 20 rows, 550 B
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2) for k may fail
--   rewrites-data: all 20 rows of t are copied
-- a copy, because in place something else would come of it: sort key toString(k): it gives another value for 20 rows, for instance ('a') -> ('1')
CREATE TABLE db.`_aaiclick_<run>_t` (`k` Int8, `i` UInt32) ENGINE = MergeTree ORDER BY toString(k) SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of k that Int8 cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `i`) SELECT CAST(`k`, 'Int8'), `i` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
