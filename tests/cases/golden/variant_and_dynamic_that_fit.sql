-- before
CREATE TABLE {db}.t (id UInt64, d Dynamic, v Variant(String, UInt64), n Variant(String, UInt64), s Dynamic) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t SELECT 1, NULL, NULL, NULL, 'x';
INSERT INTO {db}.t SELECT 2, 7::UInt64, 7::UInt64, 9::UInt64, 8::UInt64;
INSERT INTO {db}.t SELECT 3, 8::UInt64, 'text', 10::UInt64, '007';

-- after
CREATE TABLE {db}.t (id UInt64, d Nullable(UInt64), v Variant(String, UInt64, Date), n Nullable(UInt64), s String) ENGINE = MergeTree ORDER BY id;

-- expect
-- plan

-- t:
--   - column d: type Dynamic -> Nullable(UInt64)
--   - column v: type Variant(String, UInt64) -> Variant(Date, String, UInt64)
--   - column n: type Variant(String, UInt64) -> Nullable(UInt64)
--   - column s: type Dynamic -> String
--   strategy: mutate, 3 rows, 0 B
--   old-code-breaks: code that relies on Dynamic for d may fail
--   old-code-breaks: code that relies on Variant(String, UInt64) for v may fail
--   old-code-breaks: code that relies on Variant(String, UInt64) for n may fail
--   old-code-breaks: code that relies on Dynamic for s may fail
--   rewrites-data: the server rewrites parts of t in the background
-- no INSERT may add rows from here on that hold a value of d that Nullable(UInt64) cannot hold
-- no INSERT may add rows from here on that hold a value of d that does not become Nullable(UInt64)
ALTER TABLE `db`.`t` MODIFY COLUMN `d` Nullable(UInt64);
-- no INSERT may add rows from here on that hold a value of v that does not become Variant(Date, String, UInt64)
ALTER TABLE `db`.`t` MODIFY COLUMN `v` Variant(Date, String, UInt64);
-- no INSERT may add rows from here on that hold a value of n that does not become Nullable(UInt64)
ALTER TABLE `db`.`t` MODIFY COLUMN `n` Nullable(UInt64);
-- no INSERT may add rows from here on that hold NULL in s
-- no INSERT may add rows from here on that hold a value of s that String cannot hold
-- no INSERT may add rows from here on that hold a value of s that does not become String
ALTER TABLE `db`.`t` MODIFY COLUMN `s` String;
