"""Labels with a limited number of values: a metric for each of ten thousand tenants would bring a Prometheus down."""

from __future__ import annotations

import logging
import threading
from typing import get_args

from aaiclick import errors
from aaiclick.errors import PlanError, SchemaError
from aaiclick.plan.model import Strategy

OTHER = "other"
LABEL_VALUES = 100
"""Schemas, and databases, that are told apart."""
INTERRUPTED = "Interrupted"
_ERRORS = [
    (name, kind) for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
]
_NAMES = {kind: name for name, kind in _ERRORS}
REFUSALS = tuple(name for name, kind in _ERRORS if issubclass(kind, SchemaError | PlanError))
"""Labels of calls that were refused: somebody has to decide."""
FAILURES = (*(name for name, _ in _ERRORS if name not in REFUSALS), INTERRUPTED, OTHER)
"""Labels of calls that failed."""
STRATEGIES: tuple[str, ...] = get_args(Strategy)
"""How steps are carried out."""
log = logging.getLogger("aaiclick")


class Bounded:
    """The values of one label: the first ``limit`` different ones, and ``other`` for every further one."""

    def __init__(self, label: str, limit: int) -> None:
        self._label = label
        self._limit = limit
        self._known: set[str] = set()
        self._told = False
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        # A value keeps its place while the process lives: moved to ``other`` later, its own line would stand still.
        with self._lock:
            if value in self._known:
                return value
            if len(self._known) < self._limit:
                self._known.add(value)
                return value
            told, self._told = self._told, True
        if not told:
            log.warning(
                "metrics: more than %d values of %s: the others are counted as 'other'", self._limit, self._label
            )
        return OTHER


def error_label(error: BaseException) -> str:
    """The class of the error where it is one of the library's own, or the nearest one that it is made of; functions of
    a migration may raise anything."""
    if not isinstance(error, Exception):
        return INTERRUPTED
    return next((_NAMES[kind] for kind in type(error).__mro__ if kind in _NAMES), OTHER)
