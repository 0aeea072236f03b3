-- before
CREATE TABLE {db}.t (id UInt32, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: column id: type UInt32 -> UInt64
--   strategy: rebuild, 110 rows, 5.3 KiB
--   old-code-breaks: code that relies on UInt32 for id may fail
--   rewrites-data: all 110 rows of t are copied
-- a copy, because in place something else would come of it: sort key id: its type changes (UInt32 -> UInt64)
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `name` String, `day` Date, `amount` Int32, `note` Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY id SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `name`, `day`, `amount`, `note`) SELECT CAST(`id`, 'UInt64'), `name`, `day`, `amount`, `note` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
