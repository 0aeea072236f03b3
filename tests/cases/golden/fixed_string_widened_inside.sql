-- before
CREATE TABLE {db}.t (id UInt64, n Nullable(FixedString(4)), l LowCardinality(FixedString(4)), a Array(FixedString(4)), c FixedString(8), w Array(FixedString(8))) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t VALUES (1, 'ab', 'abcd', ['ab', ''], 'abcd', ['ab']), (2, NULL, 'a', [], '', []);

-- after
CREATE TABLE {db}.t (id UInt64, n Nullable(FixedString(8)), l LowCardinality(FixedString(8)), a Array(FixedString(8)), c FixedString(4), w Array(FixedString(2))) ENGINE = MergeTree ORDER BY id;

-- expect
-- plan

-- t:
--   - column n: type Nullable(FixedString(4)) -> Nullable(FixedString(8))
--   - column l: type LowCardinality(FixedString(4)) -> LowCardinality(FixedString(8))
--   - column a: type Array(FixedString(4)) -> Array(FixedString(8))
--   - column c: type FixedString(8) -> FixedString(4)
--   - column w: type Array(FixedString(8)) -> Array(FixedString(2))
--   strategy: rebuild, 2 rows, 708 B
--   old-code-breaks: code that relies on Nullable(FixedString(4)) for n may fail
--   old-code-breaks: code that relies on LowCardinality(FixedString(4)) for l may fail
--   old-code-breaks: code that relies on Array(FixedString(4)) for a may fail
--   old-code-breaks: code that relies on FixedString(8) for c may fail
--   old-code-breaks: code that relies on Array(FixedString(8)) for w may fail
--   rewrites-data: all 2 rows of t are copied
-- a copy, because in place something else would come of it: the engine cuts no FixedString, not even zero bytes, where c changes in place; the engine cuts no FixedString, not even zero bytes, where w changes in place
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `n` Nullable(FixedString(8)), `l` LowCardinality(FixedString(8)), `a` Array(FixedString(8)), `c` FixedString(4), `w` Array(FixedString(2))) ENGINE = MergeTree ORDER BY id SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of c that FixedString(4) cannot hold
-- no INSERT may add rows from here on that hold a value of w that Array(FixedString(2)) cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `n`, `l`, `a`, `c`, `w`) SELECT `id`, CAST(`n`, 'Nullable(FixedString(8))'), CAST(`l`, 'LowCardinality(FixedString(8))'), CAST(`a`, 'Array(FixedString(8))'), CAST(toString(`c`), 'FixedString(4)'), CAST(arrayMap(part1 -> CAST(toString(part1), 'FixedString(2)'), `w`), 'Array(FixedString(2))') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
