-- before
CREATE TABLE {db}.t (k DateTime('UTC'), i UInt32, INDEX by_hour toStartOfHour(k) TYPE minmax GRANULARITY 1) ENGINE = MergeTree ORDER BY i;

-- rows
INSERT INTO {db}.t SELECT toDateTime('2020-01-31 12:30:00', 'UTC') + number * 3600, number FROM numbers(40);

-- after
CREATE TABLE {db}.t (k DateTime('Asia/Tokyo'), i UInt32, INDEX by_hour toStartOfHour(k) TYPE minmax GRANULARITY 1) ENGINE = MergeTree ORDER BY i;

-- expect
-- plan

-- t: column k: type DateTime('UTC') -> DateTime('Asia/Tokyo')
--   strategy: alter
--   old-code-breaks: code that relies on DateTime('UTC') for k may fail
-- no INSERT may add rows from here on that give another value for index by_hour
ALTER TABLE `db`.`t` MODIFY COLUMN `k` DateTime('Asia/Tokyo');
