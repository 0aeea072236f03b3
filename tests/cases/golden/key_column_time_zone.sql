-- before
CREATE TABLE {db}.t (at DateTime64(3), v String) ENGINE = MergeTree ORDER BY (v, at);

-- rows
INSERT INTO {db}.t SELECT toDateTime64('2026-01-01 00:00:00', 3) + number, toString(number) FROM numbers(50);

-- after
CREATE TABLE {db}.t (at DateTime64(3, 'UTC'), v String) ENGINE = MergeTree ORDER BY (v, at);

-- expect
-- plan

-- t: column at: type DateTime64(3) -> DateTime64(3, 'UTC')
--   strategy: alter
--   old-code-breaks: code that relies on DateTime64(3) for at may fail
ALTER TABLE `db`.`t` MODIFY COLUMN `at` DateTime64(3, 'UTC');
