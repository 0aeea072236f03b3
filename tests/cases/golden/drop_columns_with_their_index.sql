-- allow: drop-column t.amount, drop-column t.note
-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String), INDEX ix note TYPE bloom_filter GRANULARITY 2) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: index ix is no longer declared
--   strategy: mutate, 110 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP INDEX `ix`;

-- t: column amount is no longer declared
--   strategy: mutate, 110 rows, 6.3 KiB (only if allowed by name)
--   changes-values: the values of t.amount are gone [--allow 'drop-column t.amount']
--   old-code-breaks: code that reads or writes amount fails
--   cannot-be-undone: a dropped column cannot be brought back: amount
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP COLUMN `amount`;

-- t: column note is no longer declared
--   strategy: mutate, 110 rows, 6.3 KiB (only if allowed by name)
--   changes-values: the values of t.note are gone [--allow 'drop-column t.note']
--   old-code-breaks: code that reads or writes note fails
--   cannot-be-undone: a dropped column cannot be brought back: note
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP COLUMN `note`;

-- note: t: column amount is no longer declared (left alone)
-- note: t: column note is no longer declared (left alone)
