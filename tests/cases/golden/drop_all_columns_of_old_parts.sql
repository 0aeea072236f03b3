-- before
CREATE TABLE {db}.t (a UInt8, b UInt8) ENGINE = MergeTree ORDER BY tuple();

-- rows
INSERT INTO {db}.t VALUES (1, 2);
ALTER TABLE {db}.t ADD COLUMN c UInt8 DEFAULT a + b;
ALTER TABLE {db}.t ADD COLUMN d String;
ALTER TABLE {db}.t MODIFY COLUMN c UInt8 DEFAULT 3;
INSERT INTO {db}.t (a, b, c) VALUES (3, 4, 5);

-- after
CREATE TABLE {db}.t (c UInt8 DEFAULT 3, d String) ENGINE = MergeTree ORDER BY tuple();

-- allow: drop-column t.a, drop-column t.b

-- expect
-- plan

-- t:
--   - values of c are written into 1 part that does not hold them, before anything else
--   - column a is no longer declared
--   strategy: mutate, 2 rows, 1.1 KiB (only if allowed by name)
--   changes-values: the values of t.a are gone [--allow 'drop-column t.a']
--   old-code-breaks: code that reads or writes a fails
--   cannot-be-undone: a dropped column cannot be brought back: a
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `c`;
ALTER TABLE `db`.`t` DROP COLUMN `a`;

-- t:
--   - values of c are written into 1 part that does not hold them, before anything else
--   - column b is no longer declared
--   strategy: mutate, 2 rows, 1.1 KiB (only if allowed by name)
--   changes-values: the values of t.b are gone [--allow 'drop-column t.b']
--   old-code-breaks: code that reads or writes b fails
--   cannot-be-undone: a dropped column cannot be brought back: b
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `c`;
ALTER TABLE `db`.`t` DROP COLUMN `b`;

-- note: t: column a is no longer declared (left alone)
-- note: t: column b is no longer declared (left alone)
