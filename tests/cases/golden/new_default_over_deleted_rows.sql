-- before
CREATE TABLE {db}.t (id UInt64, s String) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t VALUES (1, 'bad'), (2, '6');
DELETE FROM {db}.t WHERE id = 1;

-- after
CREATE TABLE {db}.t (id UInt64, s String, w UInt32 DEFAULT toUInt32(s)) ENGINE = MergeTree ORDER BY id;

-- expect
-- plan

-- t: column w is missing
--   strategy: rebuild, 2 rows, 875 B
--   rewrites-data: all 2 rows of t are copied
-- a copy, because in place something else would come of it: rows that a lightweight DELETE has hidden are still in the parts, and no merge gets past them (the engine: Cannot parse string 'bad' as UInt32: syntax error at begin of string. Note: there are toUInt32OrZero and toUInt32OrNull functions, which returns zero/NULL instead of throwing exception)
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `s` String, `w` UInt32 DEFAULT toUInt32(s)) ENGINE = MergeTree ORDER BY id SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `s`) SELECT `id`, `s` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
