-- before
CREATE TABLE {db}.t (k Enum8('a' = 1, 'b' = 2), i UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i;

-- rows
INSERT INTO {db}.t SELECT ['a', 'b'][number % 2 + 1], number FROM numbers(20);

-- after
CREATE TABLE {db}.t (k Int8, i UInt32) ENGINE = MergeTree PARTITION BY k ORDER BY i;

-- expect
-- plan

-- t: column k: type Enum8('a' = 1, 'b' = 2) -> Int8
--   strategy: alter
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2) for k may fail
ALTER TABLE `db`.`t` MODIFY COLUMN `k` Int8;
