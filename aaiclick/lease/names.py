"""The names of the tables of the lease. Nobody but this package knows them."""

from __future__ import annotations

import re

from aaiclick.clickhouse.names import PREFIX

LOCK = f"{PREFIX}lock"
BEATS = f"{PREFIX}lease"
GENERATIONS = f"{PREFIX}generations"
HEARTBEATS = f"{PREFIX}heartbeats"
"""These two on the hosts of a cluster."""
TOMBSTONE_PREFIX = f"{PREFIX}lock_was_"

_NONCE = re.compile(r"[0-9a-z]{1,32}\Z")


def tombstone(nonce: str) -> str:
    """What the lock of this incarnation is renamed to when it ends."""
    if _NONCE.match(nonce) is None:
        raise ValueError(f"{nonce!r} is no nonce: 1 to 32 lower-case letters and digits are needed")
    return f"{TOMBSTONE_PREFIX}{nonce}"


def nonce_of_tombstone(name: str) -> str | None:
    """The incarnation that a tombstone is named after; None for every other name."""
    nonce = name.removeprefix(TOMBSTONE_PREFIX)
    return nonce if name.startswith(TOMBSTONE_PREFIX) and _NONCE.match(nonce) is not None else None


def of_the_lease(name: str) -> bool:
    """Whether the table is the lock, a former lock, or holds heartbeats or generations."""
    return name in (LOCK, BEATS, GENERATIONS, HEARTBEATS) or name.startswith(TOMBSTONE_PREFIX)


def is_tombstone(name: str) -> bool:
    """Whether the table is a former lock."""
    return name.startswith(TOMBSTONE_PREFIX)
