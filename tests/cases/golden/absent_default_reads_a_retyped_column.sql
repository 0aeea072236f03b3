-- before
CREATE TABLE {db}.t (k UInt64, a DateTime('UTC')) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, '2020-01-01 00:00:00');
ALTER TABLE {db}.t ADD COLUMN b String DEFAULT toString(a);
INSERT INTO {db}.t VALUES (2, '2020-01-02 00:00:00', 'said');

-- after
CREATE TABLE {db}.t (k UInt64, a DateTime64(3, 'UTC'), b String DEFAULT toString(a)) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - values of b are written into 1 part that does not hold them, before anything else
--   - column a: type DateTime('UTC') -> DateTime64(3, 'UTC')
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on DateTime('UTC') for a may fail
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` MATERIALIZE COLUMN `b`;
ALTER TABLE `db`.`t` MODIFY COLUMN `a` DateTime64(3, 'UTC');
