-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64 CODEC(Delta, ZSTD(1)), name String COMMENT 'it''s `named`', day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id) COMMENT 'the ''t'' table';

-- expect
-- plan

-- t:
--   - column id: codec none -> Delta(8), ZSTD(1)
--   - column name: comment '' -> 'it\'s `named`'
--   - comment '' -> 'the \'t\' table'
--   strategy: alter
ALTER TABLE `db`.`t` (MODIFY COLUMN `id` UInt64 CODEC(Delta(8), ZSTD(1))), (COMMENT COLUMN `name` 'it\'s `named`'), (MODIFY COMMENT 'the \'t\' table');
