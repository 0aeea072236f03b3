"""Clients that write into a table of a cluster by every host while it is replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from typing_extensions import Self

from tests.cluster.places import Place
from tests.cluster.rig.errors import AwayError, RefusedError
from tests.cluster.rig.host import Host

REFUSED = 469
DOUBTFUL = frozenset({319, 999})
"""Answers to an INSERT of which nobody knows whether it was carried out: Keeper was lost in its middle."""


@dataclass
class Writers:
    """``acknowledged`` are the ids of rows that a server took; ``refused`` counts the answers by code."""

    place: Place
    ways: dict[str, dict[str, int]]
    """For each target (a table of the database) the settings of its INSERTs."""
    first: int = 0
    """Of the clients: two groups of them write other rows."""
    divided: frozenset[str] = frozenset()
    """Targets of which a refused INSERT may be there in part: a Distributed table writes rows of its host's own shard at
    once, and keeps those of others to send them later."""
    pause: float = 0.2
    """Seconds between two INSERTs of one client."""
    acknowledged: set[int] = field(default_factory=set[int])
    unknown: set[int] = field(default_factory=set[int])
    refused: dict[int, int] = field(default_factory=dict[int, int])
    longest: float = 0.0
    """Seconds of the longest time in which no INSERT of one client was taken."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        number = self.first
        for target, settings in self.ways.items():
            for host in self.place.cluster.hosts:
                number += 1
                thread = threading.Thread(target=self._write, args=(number, target, host, settings), daemon=True)
                self._threads.append(thread)
                thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self, number: int, target: str, host: Host, settings: dict[str, int]) -> None:
        taken, row = time.monotonic(), number * 1_000_000
        while not self._stop.is_set():
            rows = [row, row + 1]
            row += 2
            values = ", ".join(f"({one}, {one % 7}, 'w')" for one in rows)
            sql = f"INSERT INTO {self.place.database}.{target} (id, v, s) VALUES {values}"
            answer = self._sent(host, sql, settings)
            now = time.monotonic()
            with self._lock:
                if answer == 0:
                    self.acknowledged.update(rows)
                    self.longest, taken = max(self.longest, now - taken), now
                elif answer < 0 or answer in DOUBTFUL:
                    self.unknown.update(rows)
                else:
                    if target in self.divided:
                        self.unknown.update(rows)
                    self.refused[answer] = self.refused.get(answer, 0) + 1
            time.sleep(self.pause)

    @staticmethod
    def _sent(host: Host, sql: str, settings: dict[str, int]) -> int:
        try:
            host.q(sql, timeout=60, database="", **settings)
        except RefusedError as error:
            return error.code
        except AwayError:
            return -1
        return 0

    def rows(self, table: str) -> int:
        """How many rows of these clients a table has."""
        rows = self.place.cluster.hosts[0].one(
            f"SELECT count() FROM {self.place.database}.{table} WHERE {self._ours()}"
        )
        return int(rows)

    def _ours(self) -> str:
        last = self.first + len(self.ways) * len(self.place.cluster.hosts)
        return f"intDiv(id, 1000000) BETWEEN {self.first + 1} AND {last}"

    def are_there_once(self, table: str = "events", wait: float = 0.0) -> None:
        """Every row that was acknowledged is in the table, once; of the refused ones none."""
        until = time.monotonic() + wait
        while True:
            rows = self.place.cluster.hosts[0].rows(
                f"SELECT id, count() FROM {self.place.database}.{table} WHERE {self._ours()} GROUP BY id"
            )
            found = dict(rows)
            missing = self.acknowledged - found.keys()
            if not missing or time.monotonic() > until:
                break
            time.sleep(0.2)
        assert not missing
        assert {one: many for one, many in found.items() if many != 1} == {}
        assert found.keys() - self.acknowledged <= self.unknown


def during(writers: Writers, work: Callable[[], object]) -> None:
    """Do something while they write, and let them go on for a moment afterwards."""
    with writers:
        time.sleep(0.5)
        before = len(writers.acknowledged)
        work()
        time.sleep(0.5)
        assert len(writers.acknowledged) > before
