-- before
CREATE TABLE {db}.t (k DateTime('UTC'), i UInt32, PROJECTION by_day (SELECT toDate(k), count() GROUP BY toDate(k))) ENGINE = MergeTree ORDER BY i;

-- rows
INSERT INTO {db}.t SELECT toDateTime('2020-01-31 12:30:00', 'UTC') + number * 3600, number FROM numbers(40);

-- after
CREATE TABLE {db}.t (k DateTime('Asia/Tokyo'), i UInt32, PROJECTION by_day (SELECT toDate(k), count() GROUP BY toDate(k))) ENGINE = MergeTree ORDER BY i;

-- expect
-- plan

-- t:
--   - column k: type DateTime('UTC') -> DateTime('Asia/Tokyo')
--   - projection by_day is made anew (it reads k)
--   strategy: mutate, 40 rows, 0 B
--   old-code-breaks: code that relies on DateTime('UTC') for k may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP PROJECTION `by_day`;
ALTER TABLE `db`.`t` MODIFY COLUMN `k` DateTime('Asia/Tokyo');
ALTER TABLE `db`.`t` ADD PROJECTION `by_day` (SELECT toDate(k), count() GROUP BY toDate(k));
ALTER TABLE `db`.`t` APPLY DELETED MASK;
ALTER TABLE `db`.`t` APPLY DELETED MASK, MATERIALIZE PROJECTION `by_day`;
