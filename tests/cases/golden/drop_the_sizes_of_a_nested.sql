-- before
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, [1, 2]);
ALTER TABLE {db}.t ADD COLUMN `n.b` Array(String);
INSERT INTO {db}.t VALUES (2, [1, 2], ['x', 'y']);

-- after
CREATE TABLE {db}.t (k UInt64, `n.b` Array(String)) ENGINE = MergeTree ORDER BY k;

-- allow: drop-column t.n.a

-- expect
-- plan

-- t:
--   - values of n.b are written into 1 part that does not hold them, before anything else
--   - column n.a is no longer declared
--   strategy: mutate, 2 rows, 858 B (only if allowed by name)
--   changes-values: the values of t.n.a are gone [--allow 'drop-column t.n.a']
--   old-code-breaks: code that reads or writes n.a fails
--   cannot-be-undone: a dropped column cannot be brought back: n.a
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `n.b` Array(String) DEFAULT arrayWithConstant(length(`n.a`), defaultValueOfTypeName('String'));
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `n.b`;
ALTER TABLE `db`.`t` MODIFY COLUMN `n.b` REMOVE DEFAULT;
ALTER TABLE `db`.`t` DROP COLUMN `n.a`;

-- note: t: column n.a is no longer declared (left alone)
