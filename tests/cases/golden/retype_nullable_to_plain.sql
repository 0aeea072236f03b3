-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t SELECT number, 'n', toDate('2026-01-15'), number, toString(number) FROM numbers(100);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Nullable(Int32), note String) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t:
--   - column amount: type Int32 -> Nullable(Int32)
--   - column note: type Nullable(String) -> String
--   strategy: mutate, 100 rows, 0 B
--   old-code-breaks: code that relies on Int32 for amount may fail
--   old-code-breaks: code that relies on Nullable(String) for note may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `amount` Nullable(Int32);
-- no INSERT may add rows from here on that hold NULL in note
ALTER TABLE `db`.`t` MODIFY COLUMN `note` String DEFAULT defaultValueOfTypeName('String');
ALTER TABLE `db`.`t` MODIFY COLUMN `note` REMOVE DEFAULT;
