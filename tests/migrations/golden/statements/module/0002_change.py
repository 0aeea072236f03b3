"""Rows changed and copied by statements, into a table that the version adds."""

from __future__ import annotations

from aaiclick import Migration

migration = Migration(
    version=2,
    sql=[
        "ALTER TABLE t UPDATE label = concat('n', toString(n)) WHERE label = ''",
        "INSERT INTO sums SELECT 7, sum(n) FROM t",
    ],
    oldest_code=1,
)
