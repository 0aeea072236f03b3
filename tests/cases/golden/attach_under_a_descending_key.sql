-- before
CREATE TABLE {db}.t (k UInt64, v UInt8) ENGINE = MergeTree ORDER BY (k DESC) SETTINGS allow_experimental_reverse_key = 1;

-- rows
INSERT INTO {db}.t SELECT number, number % 7 FROM numbers(100);
INSERT INTO {db}.t SELECT number + 50, number % 7 FROM numbers(100);

-- after
CREATE TABLE {db}.t (k UInt64, v UInt8) ENGINE = MergeTree ORDER BY (k DESC) SETTINGS allow_experimental_reverse_key = 1, index_granularity = 1024;

-- expect
-- plan

-- t: setting index_granularity 8192 -> 1024
--   strategy: attach, 200 rows, 0 B
--   holds-up-writers: inserts into t wait or are refused for a moment
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `v` UInt8) ENGINE = MergeTree ORDER BY tuple(k DESC) SETTINGS allow_experimental_reverse_key = 1, index_granularity = 1024;
-- writers wait from here (table_readonly) where the server has that; elsewhere the tables are exchanged first
ALTER TABLE `db`.`_aaiclick_<run>_t` ATTACH PARTITION ALL FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their parts across, compare; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
