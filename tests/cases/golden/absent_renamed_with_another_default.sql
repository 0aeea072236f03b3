-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1), (2);
ALTER TABLE {db}.t ADD COLUMN a UInt8 DEFAULT 5;
INSERT INTO {db}.t (k, a) VALUES (3, 77);

-- after
CREATE TABLE {db}.t (k UInt64, b UInt8 DEFAULT 9) ENGINE = MergeTree ORDER BY k;

-- renames: a -> b

-- expect
-- plan

-- t:
--   - values of a are written into 1 part that does not hold them, before anything else
--   - column a is renamed to b
--   - column b: DEFAULT 5 -> DEFAULT 9
--   strategy: mutate, 3 rows, 0 B
--   old-code-breaks: code that reads or writes a fails
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `a`;
ALTER TABLE `db`.`t` RENAME COLUMN `a` TO `b`;
ALTER TABLE `db`.`t` MODIFY COLUMN `b` UInt8 DEFAULT 9;
