"""A table with rows: its copy into a new sort key, raw and ours, and its move into a new engine.

Three modes, a process each, on one directory: ``fill``, ``peak`` (memory: nothing else has run in that process) and
``time``. Prints JSON.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from types import TracebackType

import chdb.session
from typing_extensions import Self

from aaiclick import Schema, ensure_schema, plan_schema
from aaiclick.apply.executor import apply_steps
from aaiclick.apply.run import ApplyOptions
from aaiclick.clients import open_connection
from aaiclick.plan.model import Step
from aaiclick.routine import run
from aaiclick.specs.ddl import create_table_sql
from benchmarks.measure import interleaved
from benchmarks.schemas import FILL, copied

BLOCK = 5_000_000


class Peak:
    """Resident memory above what there was at the beginning; bytes."""

    def __enter__(self) -> Self:
        self.base = self.peak = self._now()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()

    @property
    def grown(self) -> int:
        return self.peak - self.base

    def _watch(self) -> None:
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self._now())

    @staticmethod
    def _now() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096


class Ground:
    """The database ``d`` with the full table ``origin``; each case works on a ``t`` that shares its parts."""

    def __init__(self, path: str, rows: int, *, fill: bool = False) -> None:
        self.session = chdb.session.Session(path)
        self.connection = open_connection(self.session)
        self.rows = rows
        self.wanted = copied(2, sorted_by_table=True)
        if fill:
            self._fill()
        self.sql("USE d")
        self.begin()

    def _fill(self) -> None:
        self.sql("CREATE DATABASE d ENGINE = Atomic")
        self.sql("USE d")
        ensure_schema(self.session, copied(1))
        for first in range(0, self.rows, BLOCK):
            self.sql(FILL.format(rows=self.rows, first=first, count=min(BLOCK, self.rows - first)))
        if self.rows <= BLOCK:
            self.sql("OPTIMIZE TABLE t FINAL")
        self.sql("RENAME TABLE t TO origin")

    def sql(self, text: str) -> str:
        return str(self.session.query(text, "TabSeparated").bytes().decode())

    def begin(self) -> None:
        for name in self.sql(
            "SELECT name FROM system.tables WHERE database = 'd' AND (name IN ('t', 'raw') OR startsWith(name, "
            "'_aaiclick_old'))"
        ).split():
            self.sql(f"DROP TABLE `{name}` SYNC")
        self.sql("CREATE TABLE t AS origin")
        self.sql("ALTER TABLE t ATTACH PARTITION ALL FROM origin")
        (table,) = self.wanted.tables
        self.sql(create_table_sql(table, "d", "raw"))

    def raw(self, settings: str, by_partition: bool = False) -> None:
        names = self.sql(
            "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = 'd' AND table = 't' ORDER BY 1"
        ).split()
        for where in [f"WHERE _partition_id = '{name}'" for name in names] if by_partition else [""]:
            self.sql(f"INSERT INTO raw SELECT * FROM t {where} SETTINGS {settings}")
        assert int(self.sql("SELECT count() FROM raw")) == self.rows

    def ours(self, step: Step, verify: bool = True) -> None:
        run(apply_steps([step], "d", secrets.token_hex(6), ApplyOptions(verify=verify)), self.connection)
        assert int(self.sql("SELECT count() FROM t")) == self.rows

    def copy(self) -> Step:
        return self._step(self.wanted, "rebuild")

    def attach(self) -> Step:
        return self._step(copied(2, replacing=True), "attach")

    def _step(self, schema: Schema, strategy: str) -> Step:
        (step,) = plan_schema(self.session, schema).required
        assert step.strategy == strategy
        return step


def peak(ground: Ground) -> int:
    """Bytes of memory that a copy with verification needs."""
    step = ground.copy()
    with Peak() as grown:
        ground.ours(step)
    return grown.grown


def times(ground: Ground, rounds: int) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds of each way."""
    copy, attach = ground.copy(), ground.attach()
    spent = interleaved(
        {
            "raw, defaults": lambda: ground.raw("optimize_on_insert = 1"),
            "raw, not merged on the way in": lambda: ground.raw("optimize_on_insert = 0"),
            "raw, one thread": lambda: ground.raw("optimize_on_insert = 0, max_insert_threads = 1, max_threads = 1"),
            "raw, partition by partition": lambda: ground.raw("optimize_on_insert = 0", by_partition=True),
            "copy": lambda: ground.ours(copy, verify=False),
            "copy with verification": lambda: ground.ours(copy),
            "attach": lambda: ground.ours(attach),
        },
        rounds,
        before=ground.begin,
    )
    return {name: (each.wall, each.cpu) for name, each in spent.items()}


def main(mode: str, path: str, rows: int, rounds: int) -> None:
    ground = Ground(path, rows, fill=mode == "fill")
    answer = peak(ground) if mode == "peak" else times(ground, rounds) if mode == "time" else None
    print(json.dumps(answer))
    ground.session.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
