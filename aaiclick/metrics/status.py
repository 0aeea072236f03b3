"""The figures of a ``Status``."""

from __future__ import annotations

from datetime import datetime

import aaiclick.metrics.catalogue as m
from aaiclick.commands.report import Status
from aaiclick.metrics.catalogue import Metric


def figures(status: Status, now: float) -> dict[Metric, float | None]:
    """The gauges of a database; None: there is no such value. ``now``: Unix seconds."""
    expiries = [datetime.fromisoformat(kept.expires).timestamp() for kept in status.kept_tables if kept.expires]
    return {
        m.VERSION: None if status.live_version is None else float(status.live_version),
        m.EXPECTED: None if status.code_version is None else float(status.code_version),
        m.IN_SYNC: float(status.in_sync),
        m.UNFINISHED: float(bool(status.unfinished)),
        m.FENCED: float(len(status.fenced)),
        m.KEPT: float(len(status.kept_tables)),
        m.KEPT_BYTES: float(sum(kept.bytes for kept in status.kept_tables)),
        m.EXPIRES: min(expiries, default=None),
        m.LOOKED: now,
    }
