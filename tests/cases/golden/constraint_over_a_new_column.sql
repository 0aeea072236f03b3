-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT number FROM numbers(5);

-- after
CREATE TABLE {db}.t (k UInt64, status Enum8('new' = 1, 'old' = 2) DEFAULT 'new', CONSTRAINT known CHECK status != 'old') ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column status is missing
--   - constraint known is missing
--   strategy: alter
-- no INSERT may add rows from here on that violate the constraint known (status != 'old')
ALTER TABLE `db`.`t` (ADD COLUMN `status` Enum8('new' = 1, 'old' = 2) DEFAULT 'new' AFTER `k`), (ADD CONSTRAINT `known` CHECK status != 'old');
