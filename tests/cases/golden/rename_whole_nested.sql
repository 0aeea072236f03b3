-- before
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8), `n.b` Array(String)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, [1, 2], ['x', 'y']), (2, [], []);

-- after
CREATE TABLE {db}.t (k UInt64, `m.a` Array(UInt8), `m.b` Array(String)) ENGINE = MergeTree ORDER BY k;

-- renames: n.a -> m.a, n.b -> m.b

-- expect
-- plan

-- t:
--   - column n.a is renamed to m.a
--   - column n.b is renamed to m.b
--   strategy: rebuild, 2 rows, 462 B
--   old-code-breaks: code that reads or writes n.a fails
--   old-code-breaks: code that reads or writes n.b fails
--   rewrites-data: all 2 rows of t are copied
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `m.a` Array(UInt8), `m.b` Array(String)) ENGINE = MergeTree ORDER BY k SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `m.a`, `m.b`) SELECT `k`, `n.a`, `n.b` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
