-- before
CREATE TABLE {db}.t (k UInt64, f Float64, m DateTime64(6, 'UTC'), d Decimal(9, 2), n Array(Float64)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, 0.1, '2020-01-01 00:00:00.123456', 1.29, [1.5]), (2, 1.5, '1960-01-01 00:00:00.5', -1.2, [7]);

-- after
CREATE TABLE {db}.t (k UInt64, f Float32, m DateTime64(3, 'UTC'), d Decimal(9, 1), n Array(Int32)) ENGINE = MergeTree ORDER BY k;

-- allow: retype t.f, retype t.m, retype t.d, retype t.n

-- expect
-- plan

-- t:
--   - column f: type Float64 -> Float32
--   - column m: type DateTime64(6, 'UTC') -> DateTime64(3, 'UTC')
--   - column d: type Decimal(9, 2) -> Decimal(9, 1)
--   - column n: type Array(Float64) -> Array(Int32)
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on Float64 for f may fail
--   old-code-breaks: code that relies on DateTime64(6, 'UTC') for m may fail
--   old-code-breaks: code that relies on Decimal(9, 2) for d may fail
--   old-code-breaks: code that relies on Array(Float64) for n may fail
--   rewrites-data: the server rewrites parts of t in the background
--   changes-values: 1 row holds a value of f that reads differently as Float32, for instance (0.1) [--allow 'retype t.f']
--   changes-values: 1 row holds a value of m that reads differently as DateTime64(3, 'UTC'), for instance ('2020-01-01 00:00:00.123456') [--allow 'retype t.m']
--   changes-values: 1 row holds a value of d that reads differently as Decimal(9, 1), for instance (1.29) [--allow 'retype t.d']
--   changes-values: 1 row holds a value of n that reads differently as Array(Int32), for instance ([1.5]) [--allow 'retype t.n']
-- no INSERT may add rows from here on that hold a value of f that Float32 cannot hold
ALTER TABLE `db`.`t` MODIFY COLUMN `f` Float32;
ALTER TABLE `db`.`t` MODIFY COLUMN `m` DateTime64(3, 'UTC');
-- no INSERT may add rows from here on that hold a value of d that Decimal(9, 1) cannot hold
ALTER TABLE `db`.`t` MODIFY COLUMN `d` Decimal(9, 1);
-- no INSERT may add rows from here on that hold a value of n that Array(Int32) cannot hold
ALTER TABLE `db`.`t` MODIFY COLUMN `n` Array(Int32);
