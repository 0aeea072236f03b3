-- before
CREATE TABLE {db}.t (id UInt64, name Enum8('n0' = 0, 'n1' = 1, 'n2' = 2, 'n3' = 3), day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t SELECT number, number % 3, toDate('2026-01-15') + number, number, NULL FROM numbers(100);

-- after
CREATE TABLE {db}.t (id UInt64, name Enum8('n0' = 0, 'n1' = 1, 'n2' = 2), day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: column name: type Enum8('n0' = 0, 'n1' = 1, 'n2' = 2, 'n3' = 3) -> Enum8('n0' = 0, 'n1' = 1, 'n2' = 2)
--   strategy: mutate, 100 rows, 0 B
--   old-code-breaks: code that relies on Enum8('n0' = 0, 'n1' = 1, 'n2' = 2, 'n3' = 3) for name may fail
--   rewrites-data: the server rewrites parts of t in the background
-- no INSERT may add rows from here on that hold a value of name that Enum8('n0' = 0, 'n1' = 1, 'n2' = 2) cannot hold
-- no INSERT may add rows from here on that give another value for column name
ALTER TABLE `db`.`t` MODIFY COLUMN `name` Enum8('n0' = 0, 'n1' = 1, 'n2' = 2);
