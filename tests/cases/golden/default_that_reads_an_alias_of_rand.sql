-- before
CREATE TABLE {db}.t (k UInt64, a UInt32 ALIAS rand()) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1), (2);

-- after
CREATE TABLE {db}.t (k UInt64, a UInt32 ALIAS rand(), b UInt32 ALIAS a, c UInt32 DEFAULT b) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column b is missing
--   - column c is missing
--   strategy: mutate, 2 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` (ADD COLUMN `b` UInt32 ALIAS a AFTER `a`), (ADD COLUMN `c` UInt32 DEFAULT b AFTER `b`), (MATERIALIZE COLUMN `c`);
