"""Contenders for the lease of a cluster, each with a connection of its own to one host."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping
from aaiclick.clients.opening import Opened, open_url
from aaiclick.errors import AaiclickError, LeaseLostError
from aaiclick.lease.acquire import Lease, acquire, release, renew
from aaiclick.lease.owner import Owner
from aaiclick.routine import Command, Query, Routine, Rows, run
from tests.cluster.rig.host import Host
from tests.cluster.rig.pool import AnyCluster

ANNE, BERT = Owner("anne", "host-a", 1), Owner("bert", "host-b", 2)


def books_in(cluster: AnyCluster, database: str) -> Bookkeeping:
    """Those of an Atomic database on all hosts."""
    return Bookkeeping(
        database, database, cluster.name, tuple(f"h{number}" for number in range(1, len(cluster.hosts) + 1))
    )


def nothing(sql: str) -> None:
    """Let it pass."""


class Disturbed:
    """A connection of which a test decides what becomes of a statement: ``before`` and ``after`` may raise."""

    embedded = False

    def __init__(self, host: Host, database: str) -> None:
        self.opened: Opened = open_url(host.database_url(database))
        self.before: Callable[[str], object] = nothing
        self.after: Callable[[str], object] = nothing
        self.sent: list[str] = []

    @property
    def identity(self) -> str:
        return self.opened.identity

    def query(self, effect: Query, /) -> Any:
        return self._around(effect.sql, lambda: self.opened.query(effect))

    def command(self, effect: Command, /) -> None:
        self._around(effect.sql, lambda: self.opened.command(effect))

    def rows(self, sql: str) -> Rows:
        return run(_asking(sql), self)

    def close(self) -> None:
        self.opened.close()

    def _around(self, sql: str, do: Callable[[], Any]) -> Any:
        self.sent.append(sql)
        self.before(sql)
        answer = do()
        self.after(sql)
        return answer


def _asking(sql: str) -> Routine[Rows]:
    return (yield Query(sql))


def take(connection: Disturbed, books: Bookkeeping, owner: Owner = ANNE, seconds: float = 30.0, **more: Any) -> Lease:
    lease = run(acquire(books.database, owner, lease_seconds=seconds, books=books, **more), connection)
    assert lease is not None
    return lease


@dataclass
class Stampede:
    """Threads that want the lease again and again, until so many generations were held. ``inside`` holds whoever acts;
    a holder that gives up without a word (as one that was killed) acts no more."""

    books: Bookkeeping
    hosts: Sequence[Host]
    seconds: float
    rounds: int
    seed: int
    inside: set[str] = field(default_factory=set[str])
    wrong: list[str] = field(default_factory=list[str])
    held: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    lost: int = 0
    troubles: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, contenders: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        threads = [threading.Thread(target=self._contend, args=(number,)) for number in range(contenders)]
        for thread in threads:
            thread.start()
        meanwhile()
        for thread in threads:
            thread.join(240)
        assert not any(thread.is_alive() for thread in threads)

    @property
    def over(self) -> bool:
        return len(self.held) >= self.rounds

    def _contend(self, number: int) -> None:
        rng = random.Random(self.seed * 1000 + number)
        connection: Disturbed | None = None
        while not self.over:
            try:
                connection = connection or Disturbed(self.hosts[rng.randrange(len(self.hosts))], self.books.database)
                self._hold(connection, Owner("app", f"host{number}", number), rng)
            except LeaseLostError:
                self.lost += 1
            except (AaiclickError, OSError):
                self.troubles += 1
                connection = None
                time.sleep(0.1)

    def _hold(self, connection: Disturbed, owner: Owner, rng: random.Random) -> None:
        def still_needed() -> Routine[bool]:
            yield Query("SELECT 1")
            return not self.over

        lease = run(
            acquire(
                self.books.database, owner, lease_seconds=self.seconds, books=self.books, still_needed=still_needed
            ),
            connection,
        )
        if lease is None:
            return
        with self._lock:
            self.held.append((lease.generation, lease.nonce))
        try:
            for _ in range(rng.randrange(1, 4)):
                lease = run(renew(lease), connection)
                self._act(lease)
            if rng.random() < 0.2:
                time.sleep(
                    self.seconds * 1.5
                )  # paused: what it does next has to be refused, or the lease still be its own
                lease = run(renew(lease), connection)
                self._act(lease)
            if rng.random() < 0.6:
                run(release(lease), connection)
        finally:
            with suppress(KeyError):
                self.inside.remove(lease.nonce)

    def _act(self, lease: Lease) -> None:
        """Do something, while the granted time runs."""
        with self._lock:
            if time.time() - lease.clock >= lease.seconds:
                return
            if self.inside - {lease.nonce}:
                self.wrong.append(f"{lease.generation} {lease.nonce} beside {self.inside}")
            self.inside.add(lease.nonce)
        time.sleep(self.seconds / 20)
        with self._lock:
            self.inside.discard(lease.nonce)
