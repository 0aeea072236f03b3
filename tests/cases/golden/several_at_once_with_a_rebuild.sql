-- allow: drop-column t.amount
-- renames: name -> title
-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String), INDEX ix amount TYPE minmax GRANULARITY 1) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + intDiv(number, 8), number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, title LowCardinality(String) DEFAULT 'none', host String, day Date CODEC(DoubleDelta, LZ4), note Nullable(String) COMMENT 'n', INDEX ix2 host TYPE bloom_filter) ENGINE = MergeTree PARTITION BY day ORDER BY (title, id) SETTINGS index_granularity = 1024;

-- expect
-- plan

-- t:
--   - column name is renamed to title
--   - column host is missing
--   - column title: type String -> LowCardinality(String), DEFAULT 'none'
--   - column day: codec none -> DoubleDelta, LZ4
--   - column note: comment '' -> 'n'
--   - partition key toYYYYMM(day) -> day
--   - sort key id -> (title, id)
--   - index ix2 is missing
--   - index ix is no longer declared
--   - setting index_granularity 8192 -> 1024
--   strategy: rebuild, 110 rows, 3.2 KiB
--   old-code-breaks: code that reads or writes name fails
--   old-code-breaks: code that relies on String for title may fail
--   rewrites-data: all 110 rows of t are copied
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `title` LowCardinality(String) DEFAULT 'none', `host` String, `day` Date CODEC(DoubleDelta, LZ4), `amount` Int32, `note` Nullable(String) COMMENT 'n', INDEX ix2 host TYPE bloom_filter GRANULARITY 1) ENGINE = MergeTree PARTITION BY day ORDER BY (title, id) SETTINGS index_granularity = 1024;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `title`, `day`, `amount`, `note`) SELECT `id`, CAST(`name`, 'LowCardinality(String)'), `day`, `amount`, `note` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;

-- t: column amount is no longer declared
--   strategy: mutate, 110 rows, 3.2 KiB (only if allowed by name)
--   changes-values: the values of t.amount are gone [--allow 'drop-column t.amount']
--   old-code-breaks: code that reads or writes amount fails
--   cannot-be-undone: a dropped column cannot be brought back: amount
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP COLUMN `amount`;

-- note: t: column amount is no longer declared (left alone)
