-- before
CREATE TABLE {db}.t (id UInt64, e UInt8 EPHEMERAL, f UInt8 EPHEMERAL defaultValueOfTypeName('UInt8'), g UInt8 EPHEMERAL 3, h String DEFAULT toString(g)) ENGINE = MergeTree ORDER BY id;

-- rows
INSERT INTO {db}.t (id) VALUES (1), (2);

-- after
CREATE TABLE {db}.t (id UInt64, e String EPHEMERAL, f Array(String) EPHEMERAL defaultValueOfTypeName('Array(String)'), g String EPHEMERAL 'x', h String DEFAULT toString(g)) ENGINE = MergeTree ORDER BY id;

-- expect
-- plan

-- t:
--   - column e: type UInt8 -> String
--   - column f: type UInt8 -> Array(String)
--   - column g: type UInt8 -> String, EPHEMERAL 'x'
--   strategy: alter
--   old-code-breaks: code that relies on UInt8 for e may fail
--   old-code-breaks: code that relies on UInt8 for f may fail
--   old-code-breaks: code that relies on UInt8 for g may fail
ALTER TABLE `db`.`t` MODIFY COLUMN `e` String EPHEMERAL defaultValueOfTypeName('String');
ALTER TABLE `db`.`t` MODIFY COLUMN `f` Array(String) EPHEMERAL defaultValueOfTypeName('Array(String)');
ALTER TABLE `db`.`t` MODIFY COLUMN `g` String EPHEMERAL 'x';
