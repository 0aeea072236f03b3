-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = ReplacingMergeTree(amount) PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: engine ReplacingMergeTree(amount) -> MergeTree
--   strategy: attach, 110 rows, 0 B
--   old-code-breaks: queries of t with FINAL fail: MergeTree has none (error 181)
--   holds-up-writers: inserts into t wait or are refused for a moment
CREATE TABLE db.`_aaiclick_<run>_t` (`id` UInt64, `name` String, `day` Date, `amount` Int32, `note` Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY id SETTINGS index_granularity = 8192;
-- writers wait from here (table_readonly) where the server has that; elsewhere the tables are exchanged first
ALTER TABLE `db`.`_aaiclick_<run>_t` ATTACH PARTITION ALL FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their parts across, compare; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
