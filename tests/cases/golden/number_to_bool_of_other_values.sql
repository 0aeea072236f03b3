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
ALTER TABLE `db`.`t` MODIFY COLUMN `k` Bool;
