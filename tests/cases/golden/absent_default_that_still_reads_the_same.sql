-- before
CREATE TABLE {db}.t (k UInt64, a UInt8) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 7);
ALTER TABLE {db}.t ADD COLUMN b UInt16 DEFAULT a + 1;
ALTER TABLE {db}.t ADD COLUMN c UInt8 DEFAULT 5;

-- after
CREATE TABLE {db}.t (k UInt64, a UInt32, b UInt16 DEFAULT a + 1, c UInt32 DEFAULT 2 + 3) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column a: type UInt8 -> UInt32
--   - column c: type UInt8 -> UInt32, DEFAULT 2 + 3
--   strategy: mutate, 1 row, 0 B
--   old-code-breaks: code that relies on UInt8 for a may fail
--   old-code-breaks: code that relies on UInt8 for c may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `a` UInt32;
ALTER TABLE `db`.`t` MODIFY COLUMN `c` UInt32 DEFAULT 2 + 3;
