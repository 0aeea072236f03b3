-- before
CREATE TABLE {db}.t (k UInt64, v UInt32) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- rows
INSERT INTO {db}.t SETTINGS optimize_on_insert = 0 VALUES (1, 0), (2, 5);

-- after
CREATE TABLE {db}.t (k UInt64, v Nullable(UInt32)) ENGINE = SummingMergeTree ORDER BY k SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1;

-- allow: retype t.v

-- expect
-- plan

-- t: column v: type UInt32 -> Nullable(UInt32)
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on UInt32 for v may fail
--   rewrites-data: the server rewrites parts of t in the background
--   changes-values: SummingMergeTree removes rows whose sums are all 0, or NULL in a Nullable: 1 row is such in t, and kept from now on [--allow 'retype t.v']
ALTER TABLE `db`.`t` MODIFY COLUMN `v` Nullable(UInt32);
