-- before
CREATE TABLE {db}.t (k UInt8, i UInt32) ENGINE = MergeTree ORDER BY i;

-- rows
INSERT INTO {db}.t SELECT number % 2, number FROM numbers(20);

-- after
CREATE TABLE {db}.t (k Bool, i UInt32) ENGINE = MergeTree ORDER BY i;

-- expect
-- plan

-- t: column k: type UInt8 -> Bool
--   strategy: alter
--   old-code-breaks: code that relies on UInt8 for k may fail
-- no INSERT may add rows from here on that hold a value of k that Bool cannot hold
-- no INSERT may add rows from here on that give another value for column k
ALTER TABLE `db`.`t` MODIFY COLUMN `k` Bool;
