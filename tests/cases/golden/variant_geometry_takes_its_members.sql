-- before
CREATE TABLE {db}.t (k UInt64, p Point, g Geometry) ENGINE = MergeTree ORDER BY k;

-- rows
INSERT INTO {db}.t VALUES (1, (1, 2), (3, 4)::Point), (2, (-0.5, 1e300), [(5, 6)]::Ring);

-- after
CREATE TABLE {db}.t (k UInt64, p Geometry, g String) ENGINE = MergeTree ORDER BY k;

-- expect
-- plan

-- t:
--   - column p: type Point -> Geometry
--   - column g: type Geometry -> String
--   strategy: mutate, 2 rows, 0 B
--   old-code-breaks: code that relies on Point for p may fail
--   old-code-breaks: code that relies on Geometry for g may fail
--   rewrites-data: the server rewrites parts of t in the background
-- no INSERT may add rows from here on that hold a value of p that does not become Geometry
ALTER TABLE `db`.`t` MODIFY COLUMN `p` Geometry;
-- no INSERT may add rows from here on that hold NULL in g
-- no INSERT may add rows from here on that hold a value of g that does not become String
ALTER TABLE `db`.`t` MODIFY COLUMN `g` String;
