-- before
CREATE TABLE {db}.t (id UInt64, name String DEFAULT 'x', day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t SELECT number, toString(number), toDate('2026-01-15'), number, NULL FROM numbers(100);

-- after
CREATE TABLE {db}.t (id UInt64, name UInt32 DEFAULT 7, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: column name: type String -> UInt32, DEFAULT 7
--   strategy: mutate, 100 rows, 0 B
--   old-code-breaks: code that relies on String for name may fail
--   rewrites-data: the server rewrites parts of t in the background
-- no INSERT may add rows from here on that hold a value of name that UInt32 cannot hold
-- no INSERT may add rows from here on that hold a value of name that does not become UInt32
ALTER TABLE `db`.`t` MODIFY COLUMN `name` UInt32 DEFAULT 7;
