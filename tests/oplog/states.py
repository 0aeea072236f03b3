"""Databases that earlier releases left behind: the scripts of tests/data/legacy, and what real upgrades made of
them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent / "data" / "legacy"
UTC = "ALTER TABLE {} MODIFY COLUMN created_at DateTime64(3, 'UTC')"
# The second and third script of the runner that releases 0.0.20 and later had.
LOG_UTC, TASKS_UTC = UTC.format("operation_log"), UTC.format("task_logs")
NO_LEVEL = "ALTER TABLE task_logs DROP COLUMN IF EXISTS level"
NO_REGISTRY = "DROP TABLE table_registry SYNC"
EXPIRED = """INSERT INTO operation_log (id, result_table, operation, args, kwargs, created_at)
SELECT 9000000000000000000 + number, 'p_customers', 'insert', [], map(), now64(3) - toIntervalDay(200) - toIntervalSecond(number) FROM numbers(500)"""


@dataclass(frozen=True, slots=True)
class State:
    """``script`` with the interval of its TTL replaced by ``days`` (None: as it stands), then the statements ``after``;
    it is to be recognised as ``version``."""

    name: str
    script: str
    version: int
    mixed: bool = False
    days: int | None = None
    after: tuple[str, ...] = ()

    @property
    def statements(self) -> tuple[str, ...]:
        """One by one: every statement of a script ends with a semicolon at the end of a line."""
        text = (SCRIPTS / f"{self.script}.sql").read_text(encoding="utf-8")
        if self.days is not None:
            assert "INTERVAL 90 DAY" in text
            text = text.replace("INTERVAL 90 DAY", f"INTERVAL {self.days} DAY")
        parts = [part.strip() for part in (text + "\n").split(";\n")]
        return (*(part for part in parts if part), *self.after)


PLAIN = (
    State("0.0.7", "0.0.7", 1),
    State("0.0.10", "0.0.10", 2),
    State("0.0.12", "0.0.12", 3),
    State("0.0.17", "0.0.17", 4),
    State("0.0.20", "0.0.20", 4),
    State("0.0.28", "0.0.28", 5),
    # operation_log of version 1 beside task_logs of version 4.
    State("0.0.7 to 0.0.20", "carried_0.0.7_to_0.0.20", 1),
    # Undeclared columns apart, operation_log is what version 3 and 4 made it.
    State("0.0.10 to 0.0.20", "carried_0.0.10_to_0.0.20", 4),
)
VARIANTS = (
    State("0.0.7, TTL 30 days", "0.0.7", 1, days=30),
    State("0.0.7, TTL 365 days", "0.0.7", 1, days=365),
    State("0.0.7, TTL taken away", "0.0.7", 1, after=("ALTER TABLE operation_log REMOVE TTL",)),
    State("0.0.7, expired rows", "0.0.7", 1, after=("SYSTEM STOP TTL MERGES operation_log", EXPIRED)),
    State("0.0.7, registry dropped", "0.0.7", 1, mixed=True, after=(NO_REGISTRY,)),
    State("0.0.7 to 0.0.28", "carried_0.0.7_to_0.0.20", 1, after=(LOG_UTC, TASKS_UTC, NO_LEVEL)),
    State("0.0.7 to 0.0.20, second start", "carried_0.0.7_to_0.0.20", 1, mixed=True, after=(NO_REGISTRY,)),
    State("0.0.10 to 0.0.11", "0.0.10", 3, after=(NO_REGISTRY,)),
    State("0.0.10 to 0.0.28", "carried_0.0.10_to_0.0.20", 5, after=(LOG_UTC, TASKS_UTC, NO_LEVEL)),
    State("0.0.20, 0002 half done", "0.0.20", 4, mixed=True, after=(LOG_UTC,)),
    State("0.0.20, 0003 missing", "0.0.20", 5, after=(LOG_UTC, TASKS_UTC)),
    State(
        "0.0.12 with a registry left",
        "0.0.12",
        3,
        after=("CREATE TABLE table_registry (anything String) ENGINE = MergeTree ORDER BY tuple()",),
    ),
    State(
        "0.0.28, an operator's index",
        "0.0.28",
        5,
        after=("ALTER TABLE operation_log ADD INDEX by_op operation TYPE set(100)",),
    ),
)
STATES = (*PLAIN, *VARIANTS)
