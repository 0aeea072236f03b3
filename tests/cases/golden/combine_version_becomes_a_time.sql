-- before
CREATE TABLE {db}.t (k UInt64, v UInt32, w String) ENGINE = ReplacingMergeTree(v) ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 5, 'x'), (2, 6, 'y');

-- after
CREATE TABLE {db}.t (k UInt64, v DateTime('UTC'), w String) ENGINE = ReplacingMergeTree(v) ORDER BY k;

-- allow: retype t.v

-- expect
-- plan

-- t: column v: type UInt32 -> DateTime('UTC')
--   strategy: rebuild, 2 rows, 620 B
--   old-code-breaks: code that relies on UInt32 for v may fail
--   rewrites-data: all 2 rows of t are copied
--   changes-values: t: merges compare rows by v, and as DateTime('UTC') in another way than as UInt32 [--allow 'retype t.v']
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `v` DateTime('UTC'), `w` String) ENGINE = ReplacingMergeTree(v) ORDER BY k SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of v that DateTime('UTC') cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `v`, `w`) SELECT `k`, CAST(`v`, 'DateTime(\'UTC\')'), `w` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
