-- before
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, [1, 2]);
ALTER TABLE {db}.t ADD COLUMN `n.b` Array(UInt8);
INSERT INTO {db}.t VALUES (2, [1, 2], [3, 4]);

-- after
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8), `n.c` Array(UInt8)) ENGINE = MergeTree ORDER BY k;

-- renames: n.b -> n.c

-- expect
-- plan

-- t: column n.b is renamed to n.c
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that reads or writes n.b fails
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` RENAME COLUMN `n.b` TO `n.c`;
