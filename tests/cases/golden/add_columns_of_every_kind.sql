-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String), a UInt8 MATERIALIZED id % 5, b String ALIAS upper(name), c UInt16 EPHEMERAL 3, d UInt32 DEFAULT amount * 2) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t:
--   - column a is missing
--   - column b is missing
--   - column c is missing
--   - column d is missing
--   strategy: alter
ALTER TABLE `db`.`t` (ADD COLUMN `a` UInt8 MATERIALIZED id % 5 AFTER `note`), (ADD COLUMN `b` String ALIAS upper(name) AFTER `a`), (ADD COLUMN `c` UInt16 EPHEMERAL 3 AFTER `b`), (ADD COLUMN `d` UInt32 DEFAULT amount * 2 AFTER `c`);
