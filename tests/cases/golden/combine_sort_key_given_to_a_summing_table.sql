-- before
CREATE TABLE {db}.t (k UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY () SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- rows
INSERT INTO {db}.t VALUES (1, 5);
INSERT INTO {db}.t VALUES (1, 7);

-- after
CREATE TABLE {db}.t (k UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- allow: change-sort-key t

-- expect
-- plan

-- t: sort key none -> k
--   strategy: rebuild, 2 rows, 860 B
--   rewrites-data: all 2 rows of t are copied
--   loses-rows: SummingMergeTree combines rows of the same sort key: rows of 2 keys are combined to 1 [--allow 'change-sort-key t']
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `n` UInt64) ENGINE = SummingMergeTree ORDER BY k SETTINGS index_granularity = 8192, max_bytes_to_merge_at_max_space_in_pool = 1;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `n`) SELECT `k`, `n` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
