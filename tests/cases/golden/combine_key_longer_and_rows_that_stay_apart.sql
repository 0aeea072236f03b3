-- before
CREATE TABLE {db}.t (k UInt64, d UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- rows
INSERT INTO {db}.t VALUES (1, 1, 5), (2, 1, 6);
INSERT INTO {db}.t VALUES (1, 2, 7);

-- after
CREATE TABLE {db}.t (k UInt64, d UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY (k, d) SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- allow: change-sort-key t

-- expect
-- plan

-- t: sort key k -> (k, d)
--   strategy: rebuild, 3 rows, 1.2 KiB
--   rewrites-data: all 3 rows of t are copied
--   changes-values: SummingMergeTree combines rows of the same sort key: rows of 2 keys, which it would combine, stay apart as 3 [--allow 'change-sort-key t']
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `d` UInt8, `v` UInt64) ENGINE = SummingMergeTree ORDER BY (k, d) SETTINGS index_granularity = 8192, max_bytes_to_merge_at_max_space_in_pool = 1;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `d`, `v`) SELECT `k`, `d`, `v` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
