"""What a client finds out when it is opened is the same for all that a test process opens on one engine: it is found
out once.

The driver asks for the version, the time zone and all settings, reads 1,800 rows of them, and asks which protocol is
spoken.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_inside = threading.local()
_found: dict[object, Any] = {}
_installed = threading.Lock()


@contextmanager
def known_engine(engine: str) -> Iterator[None]:
    """Clients that this thread opens here on this engine take over what the first one was told."""
    _install()
    _inside.engine = engine
    try:
        yield
    finally:
        _inside.engine = ""


def _install() -> None:
    from clickhouse_connect.driver import client as driver
    from clickhouse_connect.driver._backend.operations import QueryOp
    from clickhouse_connect.driver._backend.orchestration import init_sequence

    def sequence(config: Any) -> Any:
        """The driver's own questions, but for those that were answered before."""
        engine = getattr(_inside, "engine", "")
        if not engine or config.settings:
            return (yield from init_sequence(config))
        # The first of a client's own questions that names its database tells whether that is there.
        identity = yield QueryOp("SELECT version(), timezone()")
        key = (engine, tuple(identity.result_rows[0]), config.timezone_policy)
        if key not in _found:
            _found[key] = yield from init_sequence(config)
        return _found[key]

    with _installed:
        if vars(driver)["init_sequence"] is init_sequence:
            vars(driver)["init_sequence"] = sequence
