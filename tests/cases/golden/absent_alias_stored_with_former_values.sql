-- before
CREATE TABLE {db}.t (k UInt64, b UInt64 DEFAULT 3) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 77);
ALTER TABLE {db}.t MODIFY COLUMN b UInt64 ALIAS k + 1;
INSERT INTO {db}.t (k) VALUES (2);

-- after
CREATE TABLE {db}.t (k UInt64, b UInt64 DEFAULT k + 1) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t: column b: ALIAS k + 1 -> DEFAULT k + 1
--   strategy: rebuild, 2 rows, 830 B
--   rewrites-data: all 2 rows of t are copied
-- a copy, because in place something else would come of it: some parts of t still hold values of b from before it was an ALIAS
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `b` UInt64 DEFAULT k + 1) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `b`) SELECT `k`, `b` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
