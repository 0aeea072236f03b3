"""What a migration may allow by name. Pure."""

from __future__ import annotations

import re

from aaiclick.diff.hazards import ALLOWABLE, WITHOUT_HOST, WITHOUT_OBJECT

_KEY = re.compile(r"([a-z]+(?:-[a-z]+)*) \S.*\Z", re.DOTALL)
_OF_THE_OPERATOR = WITHOUT_OBJECT | {
    WITHOUT_HOST,
    "deletes",
    "keep-writers-out",
    "partial",
    "reapply-deletes",
    "rerun",
    "skip",
    "values",
    "wait-for-deletes",
    "writers-stopped",
}
"""What only those know who see the database: who writes, which hosts there are, what became of a run."""


def wrong_decision(key: str) -> str:
    """Why a migration cannot say that; '' where it can."""
    found = _KEY.match(key)
    word = found[1] if found is not None else key.partition(" ")[0]
    if word in _OF_THE_OPERATOR:
        return f"{key!r} is for whoever runs it to say, with --allow: a release does not know it"
    if found is None or word not in ALLOWABLE:
        return f"{key!r} names no hazard: write it as the plan does, for instance 'drop-column events.props'"
    return ""
