-- before
CREATE TABLE {db}.t (id UInt64, a Array(Enum8('a' = 1, 'b' = 2)), m Map(Enum8('a' = 1, 'b' = 2), Array(Nullable(Enum8('x' = 1, 'y' = 2)))), u Tuple(e Enum8('a' = 1, 'b' = 2), n UInt8), w Array(Tuple(Enum8('a' = 1, 'b' = 2), Map(String, Enum8('a' = 1, 'b' = 2)))), n Nested(e Enum8('a' = 1, 'b' = 2), k UInt8)) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t SELECT number, ['a', 'b', 'a'], map('a', ['x', NULL], 'b', ['y']), ('b', number), [('a', map('k', 'b')), ('b', map())], [('a', 1), ('b', 2)] FROM numbers(9);
INSERT INTO {db}.t (id) SELECT 100;

-- after
CREATE TABLE {db}.t (id UInt64, a Array(Enum8('b' = 1, 'a' = 2)), m Map(Enum8('new' = 1, 'a' = 2, 'b' = 3), Array(Nullable(Enum16('y' = 1, 'x' = 500)))), u Tuple(n UInt16, e Enum8('b' = 1, 'a' = 2)), w Array(Tuple(Enum8('b' = 1, 'a' = 2), Map(String, Enum8('b' = 1, 'a' = 2)))), n Nested(e Enum8('b' = 1, 'a' = 2), k UInt16)) ENGINE = MergeTree ORDER BY id;

-- expect
-- plan

-- t:
--   - column a: type Array(Enum8('a' = 1, 'b' = 2)) -> Array(Enum8('b' = 1, 'a' = 2))
--   - column m: type Map(Enum8('a' = 1, 'b' = 2), Array(Nullable(Enum8('x' = 1, 'y' = 2)))) -> Map(Enum8('new' = 1, 'a' = 2, 'b' = 3), Array(Nullable(Enum16('y' = 1, 'x' = 500))))
--   - column u: type Tuple(e Enum8('a' = 1, 'b' = 2), n UInt8) -> Tuple(n UInt16, e Enum8('b' = 1, 'a' = 2))
--   - column w: type Array(Tuple(Enum8('a' = 1, 'b' = 2), Map(String, Enum8('a' = 1, 'b' = 2)))) -> Array(Tuple(Enum8('b' = 1, 'a' = 2), Map(String, Enum8('b' = 1, 'a' = 2))))
--   - column n: type Nested(e Enum8('a' = 1, 'b' = 2), k UInt8) -> Nested(e Enum8('b' = 1, 'a' = 2), k UInt16)
--   strategy: rebuild, 10 rows, 1.7 KiB
--   old-code-breaks: code that relies on Array(Enum8('a' = 1, 'b' = 2)) for a may fail
--   old-code-breaks: code that relies on Map(Enum8('a' = 1, 'b' = 2), Array(Nullable(Enum8('x' = 1, 'y' = 2)))) for m may fail
--   old-code-breaks: code that relies on Tuple(e Enum8('a' = 1, 'b' = 2), n UInt8) for u may fail
--   old-code-breaks: code that relies on Array(Tuple(Enum8('a' = 1, 'b' = 2), Map(String, Enum8('a' = 1, 'b' = 2)))) for w may fail
--   old-code-breaks: code that relies on Nested(e Enum8('a' = 1, 'b' = 2), k UInt8) for n may fail
--   rewrites-data: all 10 rows of t are copied
-- a copy, because in place something else would come of it: the engine goes by the numbers of labels, or refuses, where a changes in place; the engine goes by the numbers of labels, or refuses, where m changes in place; the engine goes by the numbers of labels, or refuses, where u changes in place; the engine goes by the numbers of labels, or refuses, where w changes in place; the engine goes by the numbers of labels, or refuses, where n changes in place
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `a` Array(Enum8('b' = 1, 'a' = 2)), `m` Map(Enum8('new' = 1, 'a' = 2, 'b' = 3), Array(Nullable(Enum16('y' = 1, 'x' = 500)))), `u` Tuple(n UInt16, e Enum8('b' = 1, 'a' = 2)), `w` Array(Tuple(Enum8('b' = 1, 'a' = 2), Map(String, Enum8('b' = 1, 'a' = 2)))), `n` Nested(e Enum8('b' = 1, 'a' = 2), k UInt16)) ENGINE = MergeTree ORDER BY id SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `a`, `m`, `u`, `w`, `n`) SELECT `id`, CAST(arrayMap(part1 -> CAST(toString(part1), 'Enum8(\'b\' = 1, \'a\' = 2)'), `a`), 'Array(Enum8(\'b\' = 1, \'a\' = 2))'), CAST(mapFromArrays(arrayMap(part1 -> CAST(toString(part1), 'Enum8(\'new\' = 1, \'a\' = 2, \'b\' = 3)'), mapKeys(`m`)), arrayMap(part1 -> CAST(arrayMap(part2 -> CAST(toString(part2), 'Nullable(Enum16(\'y\' = 1, \'x\' = 500))'), part1), 'Array(Nullable(Enum16(\'y\' = 1, \'x\' = 500)))'), mapValues(`m`))), 'Map(Enum8(\'new\' = 1, \'a\' = 2, \'b\' = 3), Array(Nullable(Enum16(\'y\' = 1, \'x\' = 500))))'), CAST(tuple(CAST(tupleElement(`u`, 2), 'UInt16'), CAST(toString(tupleElement(`u`, 1)), 'Enum8(\'b\' = 1, \'a\' = 2)')), 'Tuple(n UInt16, e Enum8(\'b\' = 1, \'a\' = 2))'), CAST(arrayMap(part1 -> CAST(tuple(CAST(toString(tupleElement(part1, 1)), 'Enum8(\'b\' = 1, \'a\' = 2)'), CAST(mapFromArrays(mapKeys(tupleElement(part1, 2)), arrayMap(part3 -> CAST(toString(part3), 'Enum8(\'b\' = 1, \'a\' = 2)'), mapValues(tupleElement(part1, 2)))), 'Map(String, Enum8(\'b\' = 1, \'a\' = 2))')), 'Tuple(Enum8(\'b\' = 1, \'a\' = 2), Map(String, Enum8(\'b\' = 1, \'a\' = 2)))'), `w`), 'Array(Tuple(Enum8(\'b\' = 1, \'a\' = 2), Map(String, Enum8(\'b\' = 1, \'a\' = 2))))'), CAST(arrayMap(part1 -> CAST(tuple(CAST(toString(tupleElement(part1, 1)), 'Enum8(\'b\' = 1, \'a\' = 2)'), CAST(tupleElement(part1, 2), 'UInt16')), 'Tuple(e Enum8(\'b\' = 1, \'a\' = 2), k UInt16)'), `n`), 'Nested(e Enum8(\'b\' = 1, \'a\' = 2), k UInt16)') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
