-- before
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, [1, 2]);
ALTER TABLE {db}.t ADD COLUMN `n.b` Array(UInt8);
INSERT INTO {db}.t VALUES (2, [1, 2], [3, 4]);

-- after
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8), `n.b` Array(String)) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - values of n.b are written into 1 part that does not hold them, before anything else
--   - column n.b: type Array(UInt8) -> Array(String)
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on Array(UInt8) for n.b may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `n.b` Array(UInt8) DEFAULT arrayWithConstant(length(`n.a`), defaultValueOfTypeName('UInt8'));
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `n.b`;
ALTER TABLE `db`.`t` MODIFY COLUMN `n.b` REMOVE DEFAULT;
ALTER TABLE `db`.`t` MODIFY COLUMN `n.b` Array(String);
