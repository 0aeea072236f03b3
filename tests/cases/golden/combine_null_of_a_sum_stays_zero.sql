-- before
CREATE TABLE {db}.t (k UInt64, v Nullable(UInt32)) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- rows
INSERT INTO {db}.t SETTINGS optimize_on_insert = 0 VALUES (1, 0), (2, 5);

-- after
CREATE TABLE {db}.t (k UInt64, v UInt32) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- allow: retype t.v

-- expect
-- plan

-- t: column v: type Nullable(UInt32) -> UInt32
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on Nullable(UInt32) for v may fail
--   rewrites-data: the server rewrites parts of t in the background
--   loses-rows: SummingMergeTree removes rows whose sums are all 0, or NULL in a Nullable: 1 row of t holds nothing else in v [--allow 'retype t.v']
-- no INSERT may add rows from here on that hold NULL in v
ALTER TABLE `db`.`t` MODIFY COLUMN `v` UInt32 DEFAULT defaultValueOfTypeName('UInt32');
ALTER TABLE `db`.`t` MODIFY COLUMN `v` REMOVE DEFAULT;
