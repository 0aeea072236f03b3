-- before
CREATE TABLE {db}.t (k UInt64, n String) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, '1');
INSERT INTO {db}.t VALUES (2, '2');
INSERT INTO {db}.t VALUES (3, 'no number at all'), (4, '4');
DELETE FROM {db}.t WHERE k IN (1, 3);

-- after
CREATE TABLE {db}.t (k UInt64, n UInt32) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t: column n: type String -> UInt32
--   strategy: rebuild, 4 rows, 2.2 KiB
--   old-code-breaks: code that relies on String for n may fail
--   rewrites-data: all 4 rows of t are copied
-- a copy, because in place something else would come of it: rows that a lightweight DELETE has hidden are still in the parts, and a mutation fails on them (the engine: Cannot parse string 'no number at all' as UInt32: syntax error at begin of string. Note: there are toUInt32OrZero and toUInt32OrNull functions, which returns zero/NULL instead of throwing exception)
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `n` UInt32) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of n that UInt32 cannot hold
-- no INSERT may add rows from here on that hold a value of n that does not become UInt32
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `n`) SELECT `k`, CAST(`n`, 'UInt32') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
