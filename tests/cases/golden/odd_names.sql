-- before
CREATE TABLE {db}.t (`a b` UInt64, `c``d` String, `sel.ect` Int8, `ключ` Date) ENGINE = MergeTree ORDER BY `a b`;

-- rows
INSERT INTO {db}.t SELECT number, 'x`y', 3, '2026-01-01' FROM numbers(20);

-- after
CREATE TABLE {db}.t (`a b` UInt64, `c``d` LowCardinality(String), `sel.ect` Int8, `ключ` Date, `it's` String DEFAULT 'q\'') ENGINE = MergeTree ORDER BY (`c``d`, `a b`);

-- expect
-- plan

-- t:
--   - column it's is missing
--   - column c`d: type String -> LowCardinality(String)
--   - sort key `a b` -> (`c\`d`, `a b`)
--   strategy: rebuild, 20 rows, 848 B
--   old-code-breaks: code that relies on String for c`d may fail
--   rewrites-data: all 20 rows of t are copied
CREATE TABLE db.`_aaiclick_<run>_t` (`a b` UInt64, `c\`d` LowCardinality(String), `sel.ect` Int8, `ключ` Date, `it's` String DEFAULT 'q\'') ENGINE = MergeTree ORDER BY (`c\`d`, `a b`) SETTINGS index_granularity = 8192;
-- for each partition, in chunks, through a staging table, with count and checksum:
INSERT INTO `db`.`_aaiclick_<run>_t` (`a b`, `c\`d`, `sel.ect`, `ключ`) SELECT `a b`, CAST(`c\`d`, 'LowCardinality(String)'), `sel.ect`, `ключ` FROM `db`.`t`;
EXCHANGE TABLES `db`.`t` AND `db`.`_aaiclick_<run>_t`;
-- wait for inserts that were running, move their rows across; keep the old table for a rollback, then
DROP TABLE `db`.`_aaiclick_<run>_t`;
