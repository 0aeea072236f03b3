-- before
CREATE TABLE {db}.t (k UInt64, a String, CONSTRAINT c CHECK length(a) < 9) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT number, toString(number) FROM numbers(5);

-- after
CREATE TABLE {db}.t (k UInt64, a UInt32, CONSTRAINT c CHECK a < 9) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column a: type String -> UInt32
--   - constraint c: CHECK length(a) < 9 -> CHECK a < 9
--   strategy: mutate, 5 rows, 0 B
--   old-code-breaks: code that relies on String for a may fail
--   rewrites-data: the server rewrites parts of t in the background
-- no INSERT may add rows from here on that violate the constraint c (a < 9)
ALTER TABLE `db`.`t` DROP CONSTRAINT `c`;
-- no INSERT may add rows from here on that hold a value of a that UInt32 cannot hold
-- no INSERT may add rows from here on that hold a value of a that does not become UInt32
ALTER TABLE `db`.`t` MODIFY COLUMN `a` UInt32;
ALTER TABLE `db`.`t` ADD CONSTRAINT `c` CHECK a < 9;
