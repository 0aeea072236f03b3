-- allow: drop-column t.amount, change-ttl t
-- renames: name -> title
-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String), INDEX ix amount TYPE minmax GRANULARITY 1) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, title LowCardinality(String) DEFAULT 'none', host String, day Date CODEC(DoubleDelta, LZ4), note Nullable(String) COMMENT 'n') ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id) TTL day + INTERVAL 100 YEAR SETTINGS min_bytes_for_wide_part = 0;

-- expect
-- plan

-- t:
--   - column name is renamed to title
--   - column host is missing
--   - column title: type String -> LowCardinality(String), DEFAULT 'none'
--   - column day: codec none -> DoubleDelta, LZ4
--   - column note: comment '' -> 'n'
--   - index ix is no longer declared
--   - TTL none -> day + toIntervalYear(100)
--   - setting min_bytes_for_wide_part none -> 0
--   strategy: mutate, 110 rows, 0 B
--   old-code-breaks: code that reads or writes name fails
--   old-code-breaks: code that relies on String for title may fail
--   loses-rows: rows of t that are past the new TTL are deleted, by this step or by a later merge [--allow 'change-ttl t']
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` (DROP INDEX `ix`), (RENAME COLUMN `name` TO `title`), (ADD COLUMN `host` String AFTER `title`);
ALTER TABLE `db`.`t` MODIFY COLUMN `title` LowCardinality(String) DEFAULT 'none';
ALTER TABLE `db`.`t` (MODIFY COLUMN `day` Date CODEC(DoubleDelta, LZ4)), (COMMENT COLUMN `note` 'n'), (MODIFY TTL day + toIntervalYear(100)), (MODIFY SETTING min_bytes_for_wide_part = 0);

-- t: column amount is no longer declared
--   strategy: mutate, 110 rows, 6.2 KiB (only if allowed by name)
--   changes-values: the values of t.amount are gone [--allow 'drop-column t.amount']
--   old-code-breaks: code that reads or writes amount fails
--   cannot-be-undone: a dropped column cannot be brought back: amount
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP COLUMN `amount`;

-- note: t: column amount is no longer declared (left alone)
