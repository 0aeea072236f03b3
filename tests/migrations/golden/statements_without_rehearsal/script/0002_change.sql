-- strategy: sql

SYSTEM FLUSH LOGS;
INSERT INTO t SELECT 9, count() FROM system.one;
