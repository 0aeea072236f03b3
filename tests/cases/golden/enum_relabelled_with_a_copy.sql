-- before
CREATE TABLE {db}.t (id UInt64, e Enum8('a' = 1, 'b' = 2), m Enum8('a' = 1, 'b' = 2, 'c' = 3)) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t SELECT number, number % 2 + 1, number % 3 + 1 FROM numbers(12);

-- after
CREATE TABLE {db}.t (id UInt64, e Enum8('x' = 1, 'b' = 2), m Enum8('x' = 1, 'c' = 2, 'b' = 3)) ENGINE = MergeTree ORDER BY (id, e);

-- allow: relabel-enum t.e, relabel-enum t.m

-- expect
-- plan

-- t:
--   - column e: type Enum8('a' = 1, 'b' = 2) -> Enum8('x' = 1, 'b' = 2)
--   - column m: type Enum8('a' = 1, 'b' = 2, 'c' = 3) -> Enum8('x' = 1, 'c' = 2, 'b' = 3)
--   - sort key id -> (id, e)
--   strategy: rebuild, 12 rows, 661 B
--   changes-values: stored values of t.e get another meaning: a -> x [--allow 'relabel-enum t.e']
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2) for e may fail
--   changes-values: stored values of t.m get another meaning: a -> x [--allow 'relabel-enum t.m']
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2, 'c' = 3) for m may fail
--   rewrites-data: all 12 rows of t are copied
-- a copy, because in place something else would come of it: the engine goes by the numbers of labels, or refuses, where m changes in place
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `e` Enum8('x' = 1, 'b' = 2), `m` Enum8('x' = 1, 'c' = 2, 'b' = 3)) ENGINE = MergeTree ORDER BY (id, e) SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `e`, `m`) SELECT `id`, CAST(`e`, 'Enum8(\'x\' = 1, \'b\' = 2)'), CAST(multiIf(toString(`m`) = 'a', 'x', toString(`m`)), 'Enum8(\'x\' = 1, \'c\' = 2, \'b\' = 3)') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
