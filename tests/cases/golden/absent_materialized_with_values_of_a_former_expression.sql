-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1), (2);
ALTER TABLE {db}.t ADD COLUMN m UInt64 MATERIALIZED k + 1;
INSERT INTO {db}.t VALUES (3);
ALTER TABLE {db}.t MODIFY COLUMN m UInt64 MATERIALIZED k + 5;

-- after
CREATE TABLE {db}.t (k UInt64, m UInt64 MATERIALIZED k + 10) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t: column m: MATERIALIZED k + 5 -> MATERIALIZED k + 10, for new rows
--   strategy: rebuild, 3 rows, 835 B
--   rewrites-data: all 3 rows of t are copied
-- a copy, because in place something else would come of it: rows of old parts would read another m, and to write it down would compute stored values anew that k + 5 does not give
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `m` UInt64 MATERIALIZED k + 10) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `m`) SELECT `k`, `m` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
