-- allow: drop-column t.name
-- before
CREATE TABLE {db}.t (id UInt64, name String, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) PRIMARY KEY id ORDER BY (id, name);

-- rows
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number, concat('n', toString(number % 7)), toDate('2026-01-15') + number, number - 20, if(number % 3 = 0, NULL, toString(number)) FROM numbers(100);
INSERT INTO {db}.t (id, name, day, amount, note) SELECT number + 1000, 'x', toDate('2026-02-01'), 1, NULL FROM numbers(10);

-- after
CREATE TABLE {db}.t (id UInt64, day Date, amount Int32, note Nullable(String)) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (id);

-- expect
-- plan

-- t: sort key (id, name) -> id
--   strategy: alter
ALTER TABLE `db`.`t` MODIFY ORDER BY id;

-- t: column name is no longer declared
--   strategy: mutate, 110 rows, 5.4 KiB (only if allowed by name)
--   changes-values: the values of t.name are gone [--allow 'drop-column t.name']
--   old-code-breaks: code that reads or writes name fails
--   cannot-be-undone: a dropped column cannot be brought back: name
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP COLUMN `name`;

-- note: t: column name is no longer declared (left alone)
