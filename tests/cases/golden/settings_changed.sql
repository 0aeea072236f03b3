-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id) SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600;

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id) SETTINGS merge_with_ttl_timeout = 7200, min_bytes_for_wide_part = 0;

-- expect
-- plan

-- t:
--   - setting merge_with_ttl_timeout 3600 -> 7200
--   - setting min_bytes_for_wide_part none -> 0
--   - setting ttl_only_drop_parts 1 -> none
--   strategy: alter
ALTER TABLE `db`.`t` (MODIFY SETTING merge_with_ttl_timeout = 7200), (MODIFY SETTING min_bytes_for_wide_part = 0), (RESET SETTING ttl_only_drop_parts);
