-- allow: drop-column t.a, drop-column t.b, drop-column t.c, drop-column t.d, drop-column t.e
-- before
CREATE TABLE {db}.t (id UInt64, a Int32, b Int64 DEFAULT a + 1, c String MATERIALIZED toString(b), d Int64 ALIAS a * 2, at DateTime, e String TTL at + toIntervalYear(a)) ENGINE = MergeTree ORDER BY (id);

-- rows
INSERT INTO {db}.t (id, a, at, e) SELECT number, number % 7, '2026-01-15', 'x' FROM numbers(100);

-- after
CREATE TABLE {db}.t (id UInt64, at DateTime) ENGINE = MergeTree ORDER BY (id);

-- expect
-- plan

-- t: column c is no longer declared
--   strategy: mutate, 100 rows, 3.2 KiB (only if allowed by name)
--   changes-values: the values of t.c are gone [--allow 'drop-column t.c']
--   old-code-breaks: code that reads or writes c fails
--   cannot-be-undone: a dropped column cannot be brought back: c
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP COLUMN `c`;

-- t: column b is no longer declared
--   strategy: mutate, 100 rows, 3.2 KiB (only if allowed by name)
--   changes-values: the values of t.b are gone [--allow 'drop-column t.b']
--   old-code-breaks: code that reads or writes b fails
--   cannot-be-undone: a dropped column cannot be brought back: b
--   rewrites-data: the server rewrites parts of t in the background
--   old-code-breaks: c reads b: the server drops b only behind it [--allow 'drop-column t.c']
ALTER TABLE `db`.`t` DROP COLUMN `b`;

-- t: column d is no longer declared
--   strategy: alter (only if allowed by name)
--   old-code-breaks: code that reads d fails [--allow 'drop-column t.d']
ALTER TABLE `db`.`t` DROP COLUMN `d`;

-- t: column e is no longer declared
--   strategy: mutate, 100 rows, 3.2 KiB (only if allowed by name)
--   changes-values: the values of t.e are gone [--allow 'drop-column t.e']
--   old-code-breaks: code that reads or writes e fails
--   cannot-be-undone: a dropped column cannot be brought back: e
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` DROP COLUMN `e`;

-- t: column a is no longer declared
--   strategy: mutate, 100 rows, 3.2 KiB (only if allowed by name)
--   changes-values: the values of t.a are gone [--allow 'drop-column t.a']
--   old-code-breaks: code that reads or writes a fails
--   cannot-be-undone: a dropped column cannot be brought back: a
--   rewrites-data: the server rewrites parts of t in the background
--   old-code-breaks: b reads a: the server drops a only behind it [--allow 'drop-column t.b']
--   old-code-breaks: c reads a: the server drops a only behind it [--allow 'drop-column t.c']
--   old-code-breaks: d reads a: the server drops a only behind it [--allow 'drop-column t.d']
--   old-code-breaks: e reads a: the server drops a only behind it [--allow 'drop-column t.e']
ALTER TABLE `db`.`t` DROP COLUMN `a`;

-- note: t: column a is no longer declared (left alone)
-- note: t: column b is no longer declared (left alone)
-- note: t: column c is no longer declared (left alone)
-- note: t: column d is no longer declared (left alone)
-- note: t: column e is no longer declared (left alone)
