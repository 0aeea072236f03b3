-- strategy: sql
-- oldest_code: 1

ALTER TABLE t UPDATE label = concat('n', toString(n)) WHERE label = ''; -- a remark; here
INSERT INTO sums SELECT 7, sum(n) FROM t;
