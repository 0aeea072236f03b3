-- before
CREATE TABLE {db}.t (k UInt64, m DateTime('UTC'), f Float64) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, '2020-01-01 10:00:00', 7.9), (2, '2020-01-02 00:00:00', -7.9);

-- after
CREATE TABLE {db}.t (k UInt64, m Date, f Int16) ENGINE = MergeTree ORDER BY (m, k);

-- allow: retype t.m, retype t.f

-- expect
-- plan

-- t:
--   - column m: type DateTime('UTC') -> Date
--   - column f: type Float64 -> Int16
--   - sort key k -> (m, k)
--   strategy: rebuild, 2 rows, 616 B
--   old-code-breaks: code that relies on DateTime('UTC') for m may fail
--   old-code-breaks: code that relies on Float64 for f may fail
--   rewrites-data: all 2 rows of t are copied
--   changes-values: 1 row holds a value of m that reads differently as Date, for instance ('2020-01-01 10:00:00') [--allow 'retype t.m']
--   changes-values: 2 rows hold a value of f that reads differently as Int16, for instance (7.9) [--allow 'retype t.f']
CREATE TABLE db.`_aaiclick_<run>_t` (`k` UInt64, `m` Date, `f` Int16) ENGINE = MergeTree ORDER BY (m, k) SETTINGS index_granularity = 8192;
-- no INSERT may add rows from here on that hold a value of m that Date cannot hold
-- no INSERT may add rows from here on that hold a value of f that Int16 cannot hold
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`k`, `m`, `f`) SELECT `k`, CAST(`m`, 'Date'), CAST(`f`, 'Int16') FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
