-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name LowCardinality(String), day Date, amount Int64, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t:
--   - column name: type String -> LowCardinality(String)
--   - column amount: type Int32 -> Int64
--   strategy: mutate, 110 rows, 0 B
--   old-code-breaks: code that relies on String for name may fail
--   old-code-breaks: code that relies on Int32 for amount may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `name` LowCardinality(String);
ALTER TABLE `db`.`t` MODIFY COLUMN `amount` Int64;
