-- before
CREATE TABLE {db}.t (k UInt64, a UInt32, l UInt32 ALIAS a + 1, INDEX ix l TYPE minmax GRANULARITY 1) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT number, number % 3 FROM numbers(9);

-- after
CREATE TABLE {db}.t (k UInt64, a UInt32, l UInt32 ALIAS a + 100, INDEX ix l TYPE minmax GRANULARITY 1) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column l: ALIAS a + 1 -> ALIAS a + 100
--   - index ix is made anew (it gives another value for 9 rows, for instance (1) -> (100))
--   strategy: mutate, 9 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` (DROP INDEX `ix`), (MODIFY COLUMN `l` UInt32 ALIAS a + 100), (ADD INDEX `ix` l TYPE minmax GRANULARITY 1);
ALTER TABLE `db`.`t` MATERIALIZE INDEX `ix`;
