-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (name String, note Nullable(String), id UInt64, day Date, amount Int32) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t:
--   - column name is in another position (wanted: first)
--   - column note is in another position (wanted: after name)
--   strategy: alter
ALTER TABLE `db`.`t` (MODIFY COLUMN `name` String FIRST), (MODIFY COLUMN `note` Nullable(String) AFTER `name`);
