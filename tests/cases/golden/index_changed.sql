-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String), INDEX by_name name TYPE bloom_filter(0.01) GRANULARITY 1) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String), INDEX by_name lower(name) TYPE set(100) GRANULARITY 4) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: index by_name: name TYPE bloom_filter(0.01) GRANULARITY 1 -> lower(name) TYPE set(100) GRANULARITY 4
--   strategy: mutate, 110 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` (DROP INDEX `by_name`), (ADD INDEX `by_name` lower(name) TYPE set(100) GRANULARITY 4);

-- t: the 110 rows that are there are not in the index by_name
--   strategy: mutate, 110 rows, 6.3 KiB (only if allowed by name)
--   rewrites-data: the server fills the index by_name of t in the background [--allow 'materialize t.by_name']
ALTER TABLE `db`.`t` MATERIALIZE INDEX `by_name`;
