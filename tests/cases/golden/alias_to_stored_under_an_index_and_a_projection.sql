-- before
CREATE TABLE {db}.t (k Date, s String ALIAS toString(k), INDEX by_s toString(s) TYPE minmax GRANULARITY 2, PROJECTION by_k (SELECT * ORDER BY k)) ENGINE = MergeTree ORDER BY k SETTINGS min_bytes_for_wide_part = 0;

-- rows
INSERT INTO {db}.t (k) VALUES ('2020-01-01'), ('1970-01-01');
INSERT INTO {db}.t (k) VALUES ('2020-01-02');

-- after
CREATE TABLE {db}.t (k Date, s String MATERIALIZED toString(k), INDEX by_s toString(s) TYPE minmax GRANULARITY 2, PROJECTION by_k (SELECT * ORDER BY k)) ENGINE = MergeTree ORDER BY k SETTINGS min_bytes_for_wide_part = 0;

-- expect
-- plan

-- t:
--   - column s: ALIAS toString(k) -> MATERIALIZED toString(k)
--   - projection by_k is made anew (it reads s)
--   strategy: mutate, 3 rows, 0 B
--   rewrites-data: the server rewrites parts of t in the background
ALTER TABLE `db`.`t` (DROP PROJECTION `by_k`), (MODIFY COLUMN `s` String MATERIALIZED toString(k)), (ADD PROJECTION `by_k` (SELECT * ORDER BY k));
ALTER TABLE `db`.`t` APPLY DELETED MASK;
-- no INSERT may add rows from here on that give another value for index by_s
ALTER TABLE `db`.`t` APPLY DELETED MASK, MATERIALIZE PROJECTION `by_k`;
