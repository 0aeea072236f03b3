-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id, name);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) PRIMARY KEY id ORDER BY (id, name);

-- expect
-- plan

-- t: primary key (id, name) -> id
--   strategy: rebuild, 110 rows, 5.4 KiB
--   rewrites-data: all 110 rows of t are copied
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `name` String, `day` Date, `amount` Int32, `note` Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) PRIMARY KEY id ORDER BY (id, name) SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`id`, `name`, `day`, `amount`, `note`) SELECT `id`, `name`, `day`, `amount`, `note` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
