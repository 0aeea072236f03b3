-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1), (2);
ALTER TABLE {db}.t ADD COLUMN u UUID DEFAULT generateUUIDv4();
INSERT INTO {db}.t VALUES (3, '61f0c404-5cb3-11e7-907b-a6006ad3dba0');
ALTER TABLE {db}.t MATERIALIZE COLUMN u;
ALTER TABLE {db}.t ADD COLUMN d UInt8 DEFAULT length(toString(k));

-- after
CREATE TABLE {db}.t (k UInt64, u UUID DEFAULT generateUUIDv4(), d UInt8 DEFAULT length(toString(k))) ENGINE = MergeTree ORDER BY (k, u);

-- expect
-- plan

-- t: sort key k -> (k, u)
--   strategy: rebuild, 3 rows, 1.4 KiB
--   rewrites-data: all 3 rows of t are copied
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `u` UUID DEFAULT generateUUIDv4(), `d` UInt8 DEFAULT length(toString(k))) ENGINE = MergeTree ORDER BY (k, u) SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `u`, `d`) SELECT `k`, `u`, `d` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
