-- before
CREATE TABLE {db}.t (k UInt64, n String) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- rows
INSERT INTO {db}.t VALUES (1, 'a'), (2, 'b');

-- after
CREATE TABLE {db}.t (k UInt64, n String, v UInt64) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- allow: add-column t.v

-- expect
-- plan

-- t: column v is missing
--   strategy: alter
--   loses-rows: SummingMergeTree removes rows whose sums are all 0, or NULL in a Nullable: 2 rows of t hold nothing else in v [--allow 'add-column t.v']
ALTER TABLE `db`.`t` ADD COLUMN `v` UInt64 AFTER `n`;
