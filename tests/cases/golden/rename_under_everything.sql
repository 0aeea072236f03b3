-- before
CREATE TABLE {db}.t (k UInt64, a DateTime, d UInt64 DEFAULT toUnixTimestamp(a), l UInt64 ALIAS toUnixTimestamp(a) + 1, INDEX ix a TYPE minmax GRANULARITY 1, CONSTRAINT c CHECK a > '2000-01-01 00:00:00') ENGINE = MergeTree ORDER BY k TTL a + toIntervalYear(100);

-- rows
INSERT INTO {db}.t (k, a) SELECT number, toDateTime('2020-01-01 00:00:00') + number FROM numbers(5);

-- after
CREATE TABLE {db}.t (k UInt64, z DateTime, d UInt64 DEFAULT toUnixTimestamp(z), l UInt64 ALIAS toUnixTimestamp(z) + 1, INDEX ix z TYPE minmax GRANULARITY 1, CONSTRAINT c CHECK z > '2000-01-01 00:00:00') ENGINE = MergeTree ORDER BY k TTL z + toIntervalYear(100);

-- renames
a -> z

-- expect
-- plan

-- t: column a is renamed to z
--   strategy: mutate, 5 rows, 0 B
--   old-code-breaks: code that reads or writes a fails
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` RENAME COLUMN `a` TO `z`;
