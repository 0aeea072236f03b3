-- before
CREATE TABLE {db}.t (k UInt64, v Variant(UInt32, String, Array(Enum8('a' = 1, 'b' = 2))), w Array(Variant(UInt8, String)), x Variant(UInt32, String)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT 1, 7::UInt32, [3::UInt8::Variant(UInt8, String), NULL], CAST(CAST('12', 'Variant(String)'), 'Variant(UInt32, String)');
INSERT INTO {db}.t SELECT 2, CAST(CAST('42', 'Variant(String)'), 'Variant(UInt32, String)'), [CAST(CAST('5', 'Variant(String)'), 'Variant(UInt8, String)')], NULL;
INSERT INTO {db}.t (k, v) SELECT 3, CAST(['b', 'a'], $$Array(Enum8('a' = 1, 'b' = 2))$$);
INSERT INTO {db}.t (k, v) SELECT 4, NULL;

-- after
CREATE TABLE {db}.t (k UInt64, v Variant(UInt64, String, Array(Enum8('b' = 1, 'a' = 2)), Date), w Array(Variant(UInt16, String)), x Variant(String)) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column v: type Variant(Array(Enum8('a' = 1, 'b' = 2)), String, UInt32) -> Variant(Array(Enum8('b' = 1, 'a' = 2)), Date, String, UInt64)
--   - column w: type Array(Variant(String, UInt8)) -> Array(Variant(String, UInt16))
--   - column x: type Variant(String, UInt32) -> Variant(String)
--   strategy: rebuild, 4 rows, 2.0 KiB
--   old-code-breaks: code that relies on Variant(Array(Enum8('a' = 1, 'b' = 2)), String, UInt32) for v may fail
--   old-code-breaks: code that relies on Array(Variant(String, UInt8)) for w may fail
--   old-code-breaks: code that relies on Variant(String, UInt32) for x may fail
--   rewrites-data: all 4 rows of t are copied
-- a copy, because in place something else would come of it: the engine goes by the numbers of labels, or refuses, where v changes in place; the engine goes by the numbers of labels, or refuses, where w changes in place; the engine goes by the numbers of labels, or refuses, where x changes in place
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `v` Variant(Array(Enum8('b' = 1, 'a' = 2)), Date, String, UInt64), `w` Array(Variant(String, UInt16)), `x` Variant(String)) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of x that Variant(String) cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `v`, `w`, `x`) SELECT `k`, CAST(multiIf(variantType(`v`) = 'Array(Enum8(\'a\' = 1, \'b\' = 2))', CAST(CAST(arrayMap(part1 -> CAST(arrayMap(part2 -> CAST(toString(part2), 'Enum8(\'b\' = 1, \'a\' = 2)'), part1), 'Array(Enum8(\'b\' = 1, \'a\' = 2))'), if(variantType(`v`) = 'Array(Enum8(\'a\' = 1, \'b\' = 2))', [assumeNotNull(variantElement(`v`, 'Array(Enum8(\'a\' = 1, \'b\' = 2))'))], []))[1], 'Variant(Array(Enum8(\'b\' = 1, \'a\' = 2)))'), 'Variant(Array(Enum8(\'b\' = 1, \'a\' = 2)), Date, String, UInt64)'), variantType(`v`) = 'String', CAST(CAST(arrayMap(part1 -> CAST(part1, 'String'), if(variantType(`v`) = 'String', [assumeNotNull(variantElement(`v`, 'String'))], []))[1], 'Variant(String)'), 'Variant(Array(Enum8(\'b\' = 1, \'a\' = 2)), Date, String, UInt64)'), variantType(`v`) = 'UInt32', CAST(CAST(arrayMap(part1 -> CAST(part1, 'UInt64'), if(variantType(`v`) = 'UInt32', [assumeNotNull(variantElement(`v`, 'UInt32'))], []))[1], 'Variant(UInt64)'), 'Variant(Array(Enum8(\'b\' = 1, \'a\' = 2)), Date, String, UInt64)'), CAST(NULL, 'Variant(Array(Enum8(\'b\' = 1, \'a\' = 2)), Date, String, UInt64)')), 'Variant(Array(Enum8(\'b\' = 1, \'a\' = 2)), Date, String, UInt64)'), CAST(arrayMap(part1 -> CAST(multiIf(variantType(part1) = 'String', CAST(CAST(arrayMap(part2 -> CAST(part2, 'String'), if(variantType(part1) = 'String', [assumeNotNull(variantElement(part1, 'String'))], []))[1], 'Variant(String)'), 'Variant(String, UInt16)'), variantType(part1) = 'UInt8', CAST(CAST(arrayMap(part2 -> CAST(part2, 'UInt16'), if(variantType(part1) = 'UInt8', [assumeNotNull(variantElement(part1, 'UInt8'))], []))[1], 'Variant(UInt16)'), 'Variant(String, UInt16)'), CAST(NULL, 'Variant(String, UInt16)')), 'Variant(String, UInt16)'), `w`), 'Array(Variant(String, UInt16))'), CAST(multiIf(variantType(`x`) = 'String', CAST(CAST(arrayMap(part1 -> CAST(part1, 'String'), if(variantType(`x`) = 'String', [assumeNotNull(variantElement(`x`, 'String'))], []))[1], 'Variant(String)'), 'Variant(String)'), CAST(NULL, 'Variant(String)')), 'Variant(String)') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
