-- before
CREATE TABLE {db}.t (k UInt64, e Enum8('a' = 1), m DateTime('UTC'), n Enum8('a' = 1)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 'a', '2026-01-01 23:30:00', 'a');
ALTER TABLE {db}.t MODIFY COLUMN e Enum8('a' = 1, 'b' = 2), MODIFY COLUMN m DateTime('Asia/Tokyo'), MODIFY COLUMN n Int8;
INSERT INTO {db}.t VALUES (2, 'b', '2026-01-01 23:30:00', 2);

-- after
CREATE TABLE {db}.t (k UInt64, e String, m Nullable(DateTime('Asia/Tokyo')), n Enum8('a' = 1, 'b' = 2)) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column e: type Enum8('a' = 1, 'b' = 2) -> String
--   - column m: type DateTime('Asia/Tokyo') -> Nullable(DateTime('Asia/Tokyo'))
--   - column n: type Int8 -> Enum8('a' = 1, 'b' = 2)
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on Enum8('a' = 1, 'b' = 2) for e may fail
--   old-code-breaks: code that relies on DateTime('Asia/Tokyo') for m may fail
--   old-code-breaks: code that relies on Int8 for n may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MODIFY COLUMN `e` String;
ALTER TABLE `db`.`t` MODIFY COLUMN `m` Nullable(DateTime('Asia/Tokyo'));
-- no INSERT may add rows from here on that hold a value of n that Enum8('a' = 1, 'b' = 2) cannot hold
-- no INSERT may add rows from here on that give another value for column n
ALTER TABLE `db`.`t` MODIFY COLUMN `n` Enum8('a' = 1, 'b' = 2);
