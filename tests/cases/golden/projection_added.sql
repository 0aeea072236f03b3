-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String), PROJECTION by_day (SELECT day, count() GROUP BY day)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: projection by_day is missing
--   strategy: alter
ALTER TABLE `db`.`t` ADD PROJECTION `by_day` (SELECT day, count() GROUP BY day);

-- t: the 110 rows that are there are not in the projection by_day
--   strategy: mutate, 110 rows, 5.4 KiB (only if allowed by name)
--   rewrites-data: the server fills the projection by_day of t in the background: until then it merges no part without it with one that has it [--allow 'materialize t.by_day']
ALTER TABLE `db`.`t` APPLY DELETED MASK;
ALTER TABLE `db`.`t` APPLY DELETED MASK, MATERIALIZE PROJECTION `by_day`;
