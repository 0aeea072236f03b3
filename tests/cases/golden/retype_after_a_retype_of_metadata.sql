-- before
CREATE TABLE {db}.t (k UInt64, b UInt8, m DateTime('UTC'), e Enum8('a' = 1, 'b' = 2)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 1, '2026-01-01 23:30:00', 'a'), (2, 0, '2026-01-02 00:30:00', 'b');
ALTER TABLE {db}.t MODIFY COLUMN b Bool, MODIFY COLUMN m DateTime('Asia/Tokyo'), MODIFY COLUMN e Int8;
INSERT INTO {db}.t VALUES (3, true, '2026-01-01 23:30:00', 1);

-- after
CREATE TABLE {db}.t (k UInt64, b String, m String, e Enum8('a' = 2, 'b' = 1)) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column b: type Bool -> String
--   - column m: type DateTime('Asia/Tokyo') -> String
--   - column e: type Int8 -> Enum8('b' = 1, 'a' = 2)
--   strategy: rebuild, 3 rows, 1.4 KiB
--   old-code-breaks: code that relies on Bool for b may fail
--   old-code-breaks: code that relies on DateTime('Asia/Tokyo') for m may fail
--   old-code-breaks: code that relies on Int8 for e may fail
--   rewrites-data: all 3 rows of t are copied
-- a copy, because in place something else would come of it: some parts of t hold b as UInt8, from before it was Bool, and in place UInt8 would be converted into String; some parts of t hold e as Enum8('a' = 1, 'b' = 2), from before it was Int8, and in place Enum8('a' = 1, 'b' = 2) would be converted into Enum8('b' = 1, 'a' = 2); some parts of t hold m as DateTime('UTC'), from before it was DateTime('Asia/Tokyo'), and in place DateTime('UTC') would be converted into String
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `b` String, `m` String, `e` Enum8('b' = 1, 'a' = 2)) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of m that does not become String
-- no INSERT may add rows from here on that hold a value of e that Enum8('b' = 1, 'a' = 2) cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `b`, `m`, `e`) SELECT `k`, CAST(`b`, 'String'), CAST(`m`, 'String'), CAST(`e`, 'Enum8(\'b\' = 1, \'a\' = 2)') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
