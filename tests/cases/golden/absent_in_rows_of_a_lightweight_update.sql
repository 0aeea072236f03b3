-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = MergeTree ORDER BY k SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1;

-- rows
INSERT INTO {db}.t VALUES (1), (2), (3);
ALTER TABLE {db}.t ADD COLUMN a UInt8 DEFAULT 5;
UPDATE {db}.t SET a = 9 WHERE k = 2 SETTINGS enable_lightweight_update = 1;

-- after
CREATE TABLE {db}.t (k UInt64, a UInt8 DEFAULT 7) ENGINE = MergeTree ORDER BY k SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1;

-- expect
-- plan

-- t:
--   - values of a are written into 1 part that does not hold them, before anything else
--   - column a: DEFAULT 5 -> DEFAULT 7
--   strategy: mutate, 3 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` APPLY PATCHES;
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `a`;
ALTER TABLE `db`.`t` MODIFY COLUMN `a` UInt8 DEFAULT 7;
