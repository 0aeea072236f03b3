"""Who is told of every call of the library in this process, besides the caller's own ``on_event``: metrics and traces.

There is nobody unless somebody asked for it (``aaiclick.metrics.instrument``). An observer that fails is reported to
the log, and never ends a migration.
"""

from __future__ import annotations

import logging
from typing import Protocol

from aaiclick.events import Event

log = logging.getLogger("aaiclick")


class Watched(Protocol):
    """One call, as an observer sees it."""

    def event(self, event: Event, /) -> bool:
        """Told in the order of events. True: figures that cost a statement are wanted for this one."""
        ...

    def ended(self, answer: object, error: BaseException | None, /) -> None:
        """Told once: what the call returned (a ``Report``, a ``Status`` ...), or the error that it ended with."""
        ...


class Observer(Protocol):
    """Whoever wants to know of calls."""

    def begun(self, call: str, schema: str, /) -> Watched:
        """A public function begins. ``call``: its name; ``schema``: '' where it is about none."""
        ...


class Observed:
    """One call, for everybody who wants to know of it."""

    def __init__(self, watched: tuple[Watched, ...]) -> None:
        self._watched = watched

    def event(self, event: Event) -> bool:
        """Whether somebody wants figures that cost a statement."""
        wanted = False
        for each in self._watched:
            try:
                wanted = each.event(event) or wanted
            except Exception:
                log.warning("an observer failed on %s; the run goes on", type(event).__name__, exc_info=True)
        return wanted

    def ended(self, answer: object, error: BaseException | None) -> None:
        """Tell everybody how it ended."""
        for each in self._watched:
            try:
                each.ended(answer, error)
            except Exception:
                log.warning("an observer failed at the end of a call", exc_info=True)


_observers: tuple[Observer, ...] = ()
_NOBODY = Observed(())


def observe(observer: Observer) -> None:
    """Tell an observer of every call that begins from now on."""
    # The tuple is replaced as a whole: a call that begins in another thread sees the old one or the new one.
    global _observers  # noqa: PLW0603 - the register of this process
    if observer not in _observers:
        _observers = (*_observers, observer)


def forget(observer: Observer) -> None:
    """Tell it no more; calls that run now are followed to their end."""
    global _observers  # noqa: PLW0603 - see observe
    _observers = tuple(each for each in _observers if each is not observer)


def begin(call: str, schema: str) -> Observed:
    """A call begins."""
    observers = _observers
    if not observers:
        return _NOBODY
    watched: list[Watched] = []
    for each in observers:
        try:
            watched.append(each.begun(call, schema))
        except Exception:
            log.warning("an observer failed at the beginning of %s", call, exc_info=True)
    return Observed(tuple(watched))
