"""A column from an expression, rows filtered, another sort key."""

from __future__ import annotations

from aaiclick import Migration, Rebuild

migration = Migration(
    version=2,
    rebuild={
        "t": Rebuild(
            columns={
                "kwargs": "mapFromArrays(arrayMap(place -> concat('a', toString(place - 1)), "
                "arrayEnumerate(args)),\nargs)"
            },
            where="n != 1",
        )
    },
)
