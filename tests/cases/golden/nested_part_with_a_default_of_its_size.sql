-- before
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8)) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, [1, 2]), (2, [7]), (3, []);

-- after
CREATE TABLE {db}.t (k UInt64, `n.a` Array(UInt8), `n.b` Array(String) DEFAULT arrayMap(x -> toString(x), `n.a`)) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t: column n.b is missing
--   strategy: alter
ALTER TABLE `db`.`t` ADD COLUMN `n.b` Array(String) DEFAULT arrayMap(x -> toString(x), `n.a`) AFTER `n.a`;
