-- before
CREATE TABLE {db}.t (id UInt64, e Enum8('a' = 1, 'b' = 2, 'it\'s, "c"\\' = 3), n Nullable(Enum8('a' = 1, 'b' = 2))) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t SELECT number, number % 3 + 1, if(number % 3 = 0, NULL, number % 3) FROM numbers(30);

-- after
CREATE TABLE {db}.t (id UInt64, e Enum8('a' = 1, 'new' = 2, 'b' = 3, 'it\'s, "c"\\' = 4), n Nullable(Enum16('b' = 1, 'a' = 1000))) ENGINE = MergeTree ORDER BY id;

-- expect
-- plan

-- t:
--   - column e: type Enum8('a' = 1, 'b' = 2, 'it\'s, "c"\\' = 3) -> Enum8('a' = 1, 'new' = 2, 'b' = 3, 'it\'s, "c"\\' = 4)
--   - column n: type Nullable(Enum8('a' = 1, 'b' = 2)) -> Nullable(Enum16('b' = 1, 'a' = 1000))
--   strategy: rebuild, 30 rows, 656 B
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2, 'it\'s, "c"\\' = 3) for e may fail
--   old-code-breaks: code that relies on Nullable(Enum8('a' = 1, 'b' = 2)) for n may fail
--   rewrites-data: all 30 rows of t are copied
-- a copy, because in place something else would come of it: the engine goes by the numbers of labels, or refuses, where e changes in place; the engine goes by the numbers of labels, or refuses, where n changes in place
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `e` Enum8('a' = 1, 'new' = 2, 'b' = 3, 'it\'s, "c"\\' = 4), `n` Nullable(Enum16('b' = 1, 'a' = 1000))) ENGINE = MergeTree ORDER BY id SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `e`, `n`) SELECT `id`, CAST(toString(`e`), 'Enum8(\'a\' = 1, \'new\' = 2, \'b\' = 3, \'it\\\'s, "c"\\\\\' = 4)'), CAST(toString(`n`), 'Nullable(Enum16(\'b\' = 1, \'a\' = 1000))') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
