-- before
CREATE TABLE {db}.t (k UInt64, v UInt64, w UInt64) ENGINE = SummingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 5, 1), (2, 6, 1);

-- after
CREATE TABLE {db}.t (k UInt64, v String, w UInt64) ENGINE = SummingMergeTree ORDER BY k;

-- allow: retype t.v

-- expect
-- plan

-- t: column v: type UInt64 -> String
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on UInt64 for v may fail
--   rewrites-data: the server rewrites parts of t in the background
--   changes-values: t: merges add up v no longer, and keep one value of v from now on [--allow 'retype t.v']
ALTER TABLE `db`.`t` MODIFY COLUMN `v` String;
