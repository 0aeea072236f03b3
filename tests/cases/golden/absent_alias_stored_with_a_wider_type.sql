-- before
CREATE TABLE {db}.t (k UInt64, n UInt8 ALIAS k + 255, b UInt8 ALIAS n + 1) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t (k) VALUES (1), (2);

-- after
CREATE TABLE {db}.t (k UInt64, n UInt16 ALIAS k + 255, b UInt16) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - values of b (ALIAS n + 1) are written into 1 part that does not hold them, before anything else
--   - column n: type UInt8 -> UInt16
--   - column b: DEFAULT n + 1 -> none
--   - column b: type UInt8 -> UInt16
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on UInt8 for n may fail
--   old-code-breaks: code that relies on UInt8 for b may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `b` UInt8 DEFAULT n + 1;
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `b`;
ALTER TABLE `db`.`t` MODIFY COLUMN `b` REMOVE DEFAULT;
ALTER TABLE `db`.`t` MODIFY COLUMN `n` UInt16;
ALTER TABLE `db`.`t` MODIFY COLUMN `b` UInt16;
