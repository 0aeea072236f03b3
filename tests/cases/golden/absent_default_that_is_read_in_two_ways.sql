-- before
CREATE TABLE {db}.t (k UInt64) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1), (2);
ALTER TABLE {db}.t ADD COLUMN day Date;
ALTER TABLE {db}.t ADD COLUMN a String ALIAS toString(day);
ALTER TABLE {db}.t ADD COLUMN text String MATERIALIZED a;
ALTER TABLE {db}.t ADD COLUMN long String DEFAULT concat(text, '!') AFTER a;
INSERT INTO {db}.t (k, day) VALUES (3, '2021-03-04');

-- after
CREATE TABLE {db}.t (k UInt64, day Date, a String ALIAS toString(day), long String DEFAULT concat(text, '?'), text String MATERIALIZED a) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - values of text, long are written into 1 part that does not hold them, before anything else
--   - column long: DEFAULT concat(text, '!') -> DEFAULT concat(text, '?')
--   strategy: mutate, 3 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `text`;
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `long`;
ALTER TABLE `db`.`t` MODIFY COLUMN `long` String DEFAULT concat(text, '?');
