-- before
CREATE TABLE {db}.t (id UInt64, a UInt64 ALIAS id + 1, b UInt8 ALIAS a * 2, c UInt8 ALIAS id * 100) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t SELECT number FROM numbers(7);

-- after
CREATE TABLE {db}.t (id UInt64, a UInt64 ALIAS id + 5, b UInt16 DEFAULT a * 2, c UInt64 DEFAULT id * 100) ENGINE = MergeTree ORDER BY id;

-- expect
-- plan

-- t:
--   - values of b (ALIAS a * 2), c (ALIAS id * 100) are written into 1 part that does not hold them, before anything else
--   - column a: ALIAS id + 1 -> ALIAS id + 5
--   - column b: type UInt8 -> UInt16
--   - column c: type UInt8 -> UInt64
--   strategy: mutate, 7 rows, 0 B
--   old-code-breaks: code that relies on UInt8 for b may fail
--   old-code-breaks: code that relies on UInt8 for c may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `b` UInt8 DEFAULT a * 2;
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `b`;
ALTER TABLE `db`.`t` MODIFY COLUMN `c` UInt8 DEFAULT id * 100;
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `c`;
ALTER TABLE `db`.`t` MODIFY COLUMN `b` UInt16;
ALTER TABLE `db`.`t` MODIFY COLUMN `c` UInt64;
ALTER TABLE `db`.`t` MODIFY COLUMN `a` UInt64 ALIAS id + 5;
