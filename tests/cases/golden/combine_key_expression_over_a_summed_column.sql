-- allow: change-sort-key t

-- before
CREATE TABLE {db}.t (k UInt64, total UInt64) ENGINE = SummingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 4), (2, 0);
INSERT INTO {db}.t VALUES (1, 8);

-- after
CREATE TABLE {db}.t (k UInt64, total UInt64) ENGINE = SummingMergeTree ORDER BY (k, total % 4);

-- expect
-- plan

-- t: sort key k -> (k, total % 4)
--   strategy: rebuild, 2 rows, 968 B
--   rewrites-data: all 2 rows of t are copied
--   changes-values: t: merges add up total no longer, and keep one value of total from now on [--allow 'change-sort-key t']
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `total` UInt64) ENGINE = SummingMergeTree ORDER BY (k, total % 4) SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `total`) SELECT `k`, `total` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
