-- before
CREATE TABLE {db}.t (k UInt64, `countsMap.id` Array(UInt16), `countsMap.n` Array(UInt32)) ENGINE = SummingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, [1, 2], [10, 20]);
INSERT INTO {db}.t VALUES (1, [2, 3], [4294967295, 1]);

-- after
CREATE TABLE {db}.t (k UInt64, `countsMap.id` Array(UInt32), `countsMap.n` Array(UInt64)) ENGINE = SummingMergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column countsMap.id: type Array(UInt16) -> Array(UInt32)
--   - column countsMap.n: type Array(UInt32) -> Array(UInt64)
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on Array(UInt16) for countsMap.id may fail
--   old-code-breaks: code that relies on Array(UInt32) for countsMap.n may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `countsMap.id` Array(UInt32);
ALTER TABLE `db`.`t` MODIFY COLUMN `countsMap.n` Array(UInt64);
