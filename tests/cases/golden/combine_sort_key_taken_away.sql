-- before
CREATE TABLE {db}.t (w Date, n Nullable(UInt8)) ENGINE = CoalescingMergeTree ORDER BY toYear(w) SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- rows
INSERT INTO {db}.t VALUES ('2020-02-29', 1);
INSERT INTO {db}.t VALUES ('2020-01-01', NULL);

-- after
CREATE TABLE {db}.t (w Date, n Nullable(UInt8)) ENGINE = CoalescingMergeTree ORDER BY () SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- allow: change-sort-key t

-- expect
-- plan

-- t: sort key toYear(w) -> none
--   strategy: rebuild, 2 rows, 748 B
--   rewrites-data: all 2 rows of t are copied
--   holds-up-writers: inserts into t are refused while the last part is copied
--   changes-values: CoalescingMergeTree combines rows of the same sort key: rows of 1 key, which it would combine, stay apart as 2 [--allow 'change-sort-key t']
--   changes-values: t: merges keep the first value of w no longer, and keep the last value of w from now on [--allow 'change-sort-key t']
CREATE TABLE db.`_aaiclick_<run>_t` (`w` Date, `n` Nullable(UInt8)) ENGINE = CoalescingMergeTree ORDER BY tuple() SETTINGS index_granularity = 8192, max_bytes_to_merge_at_max_space_in_pool = 1;
-- writers are locked out (table_readonly) for the last part of the copy
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`w`, `n`) SELECT `w`, `n` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
