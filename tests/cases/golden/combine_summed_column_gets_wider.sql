-- before
CREATE TABLE {db}.t (k UInt64, v UInt32) ENGINE = SummingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 5), (2, 6);

-- after
CREATE TABLE {db}.t (k UInt64, v UInt64) ENGINE = SummingMergeTree ORDER BY k;

-- expect
-- plan

-- t: column v: type UInt32 -> UInt64
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on UInt32 for v may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `v` UInt64;
