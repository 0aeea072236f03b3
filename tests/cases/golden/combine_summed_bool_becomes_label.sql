-- before
CREATE TABLE {db}.t (k UInt64, b Bool) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- rows
INSERT INTO {db}.t VALUES (1, true), (2, true);

-- after
CREATE TABLE {db}.t (k UInt64, b Enum8('false' = 0, 'true' = 1)) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- allow: retype t.b

-- expect
-- plan

-- t: column b: type Bool -> Enum8('false' = 0, 'true' = 1)
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on Bool for b may fail
--   rewrites-data: the server rewrites parts of t in the background
--   changes-values: t: merges add up b no longer, and keep one value of b from now on [--allow 'retype t.b']
-- no INSERT may add rows from here on that hold a value of b that Enum8('false' = 0, 'true' = 1) cannot hold
ALTER TABLE `db`.`t` MODIFY COLUMN `b` Enum8('false' = 0, 'true' = 1);
