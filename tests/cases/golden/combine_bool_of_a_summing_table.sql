-- allow: retype t.b
-- before
CREATE TABLE {db}.t (k UInt64, b Bool) ENGINE = SummingMergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t SELECT number, 1 FROM numbers(5);

-- after
CREATE TABLE {db}.t (k UInt64, b Enum8('false' = 0, 'true' = 1)) ENGINE = SummingMergeTree ORDER BY k;

-- expect
-- plan

-- t: column b: type Bool -> Enum8('false' = 0, 'true' = 1)
--   strategy: mutate, 5 rows, 0 B
--   old-code-breaks: code that relies on Bool for b may fail
--   rewrites-data: the server rewrites parts of t in the background
--   changes-values: t: merges add up b no longer, and keep one value of b from now on [--allow 'retype t.b']
ALTER TABLE `db`.`t` MODIFY COLUMN `b` Enum8('false' = 0, 'true' = 1);
