"""An operator who does things to the table while it is migrated, and puts them right again later, as far as that can be
done."""

from __future__ import annotations

from random import Random

from aaiclick.errors import StatementError
from tests.simulation.schedule_state import Actor, Scene
from tests.simulation.world import DATABASE

_DB = f"`{DATABASE}`"
ACTIONS = ("rename", "drop", "exchange", "make anew", "setting")


class Operator(Actor):
    """One action, and what puts it right."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        super().__init__("operator")
        self.scene = scene
        self.action = rng.choice(ACTIONS)
        self.wake = scene.time + rng.uniform(0.05, 4.0)
        self.back: list[str] | None = None
        self.done = False
        self.hurried = False
        self.original = ""
        self.recorded: object = None

    @property
    def ended(self) -> bool:
        return self.done

    def step(self) -> None:
        if self.back is None:
            self.scene.operated = True
            self.back = self._act()
            self.wake = self.scene.time + self.scene.rng.choice((0.01, 0.1, 1.0, 40.0))
        else:
            if self._newest() != self.recorded:
                # A version was recorded without it: nobody converts it any more.
                self._leave_unconverted()
            for sql in self.back:
                self._send(sql)
            self.done = True
        self.done = self.done or not self.back

    def _leave_unconverted(self) -> None:
        self.scene.stray.add(self.original)
        for storage in self.scene.world.server.databases[DATABASE].values():
            if storage.uuid == self.original:
                self.scene.late.update(row for row, _ in storage.rows)

    def _act(self) -> list[str]:
        live = self.scene.world.server.find(DATABASE, "t")
        if live is None:
            return []
        self.original, self.recorded = live.uuid, self._newest()
        fresh = f"CREATE TABLE {_DB}.`{{}}` ({live.columns}) ENGINE = {live.engine_full}"
        if self.action == "rename":
            self._send(f"RENAME TABLE {_DB}.`t` TO {_DB}.`t_saved`")
            return [f"RENAME TABLE {_DB}.`t_saved` TO {_DB}.`t`"]
        if self.action == "drop":
            self._send(f"DROP TABLE {_DB}.`t`")
            return []
        if self.action == "exchange":
            self._made("t_other", fresh)
            exchange = f"EXCHANGE TABLES {_DB}.`t` AND {_DB}.`t_other`"
            self._send(exchange)
            return [exchange]
        if self.action == "make anew":
            self._send(f"RENAME TABLE {_DB}.`t` TO {_DB}.`t_saved`")
            self._made("t", fresh)
            return [f"DROP TABLE {_DB}.`t`", f"RENAME TABLE {_DB}.`t_saved` TO {_DB}.`t`"]
        if self._send(f"ALTER TABLE {_DB}.`t` MODIFY SETTING merge_with_ttl_timeout = 4321"):
            self.scene.altered.add(live.uuid)
        return []

    def _newest(self) -> object:
        records = self.scene.world.server.find(DATABASE, "schema_version")
        return records.lines[-1]["version"] if records is not None and records.lines else None

    def _made(self, name: str, sql: str) -> None:
        if self._send(sql.format(name)):
            made = self.scene.world.server.find(DATABASE, name)
            if made is not None:
                self.scene.stray.add(made.uuid)

    def _send(self, sql: str) -> bool:
        """What is refused is left as it is. What is dropped is nobody's any more."""
        try:
            if sql.startswith("DROP TABLE") and (live := self.scene.world.server.find(DATABASE, "t")) is not None:
                self.scene.stray.add(live.uuid)
                self.scene.dropped.update(row for row, _ in live.rows)
            self.scene.world.operate(sql)
        except StatementError as error:
            self.scene.tell(self, "is refused", error)
            return False
        self.scene.tell(self, "sends", sql)
        return True
