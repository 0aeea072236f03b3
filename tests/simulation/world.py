"""Where a schedule is played: the model alone. ``Mirror`` (``mirror.py``) has the engine beside it."""

from __future__ import annotations

from typing import Protocol

from aaiclick.routine import Command, Query, Rows
from tests.simulation.model import engine
from tests.simulation.model.ddl import merge
from tests.simulation.model.inserts import admit, land
from tests.simulation.model.state import Running, Server, Storage, Values

DATABASE = "sim"


class World(Protocol):
    """``server`` is the model's state, which is always there. Errors are StatementError."""

    server: Server
    splits: bool
    """Whether statements of a migration may take time, and be under way when their client is gone."""

    def ask(self, effect: Query) -> Rows: ...

    def command(self, effect: Command) -> Running | None:
        """An INSERT of rows is only begun."""
        ...

    def insert(self, table: str, rows: tuple[Values, ...]) -> Running:
        """A writer's INSERT has begun."""
        ...

    def land(self, running: Running) -> None: ...

    def merge(self, storage: Storage) -> None: ...

    def operate(self, sql: str) -> None:
        """A statement of an operator."""
        ...


class Model:
    """The model alone."""

    splits = True

    def __init__(self) -> None:
        self.server = Server()
        self.server.databases[DATABASE] = {}

    def ask(self, effect: Query) -> Rows:
        return engine.ask(self.server, effect, DATABASE)

    def command(self, effect: Command) -> Running | None:
        return engine.command(self.server, effect, DATABASE)

    def insert(self, table: str, rows: tuple[Values, ...]) -> Running:
        return admit(self.server, self.server.need(DATABASE, table), rows, "")

    def land(self, running: Running) -> None:
        land(self.server, running)

    def merge(self, storage: Storage) -> None:
        merge(storage)

    def operate(self, sql: str) -> None:
        running = self.command(Command(sql, database=DATABASE))
        if running is not None:
            self.land(running)
