-- before
CREATE TABLE {db}.t (id UInt64, e Enum8('a' = 1, 'b' = 2), l Array(Enum8('a' = 1, 'b' = 2))) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t SELECT number, number % 2 + 1, ['a', 'b'] FROM numbers(12);

-- after
CREATE TABLE {db}.t (id UInt64, e Enum8('x' = 1, 'b' = 2), l Array(Enum8('x' = 1, 'b' = 2))) ENGINE = MergeTree ORDER BY id;

-- allow: relabel-enum t.e, relabel-enum t.l

-- expect
-- plan

-- t:
--   - column e: type Enum8('a' = 1, 'b' = 2) -> Enum8('x' = 1, 'b' = 2)
--   - column l: type Array(Enum8('a' = 1, 'b' = 2)) -> Array(Enum8('x' = 1, 'b' = 2))
--   strategy: alter
--   changes-values: stored values of t.e get another meaning: a -> x [--allow 'relabel-enum t.e']
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2) for e may fail
--   changes-values: stored values of t.l get another meaning: a -> x [--allow 'relabel-enum t.l']
--   old-code-breaks: code that relies on Array(Enum8('a' = 1, 'b' = 2)) for l may fail
-- no INSERT may add rows from here on that give another value for column e
ALTER TABLE `db`.`t` MODIFY COLUMN `e` Enum8('x' = 1, 'b' = 2);
-- no INSERT may add rows from here on that give another value for column l
ALTER TABLE `db`.`t` MODIFY COLUMN `l` Array(Enum8('x' = 1, 'b' = 2));
