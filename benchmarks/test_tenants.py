"""One schema in many databases that are all in sync: what every run of every command costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import chdb.session
import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.tenants import ensure_tenants, validate_tenants
from aaiclick.testing.engine import EmbeddedEngine
from aaiclick.testing.factories import SchemaFactory
from benchmarks.measure import Line, Results

pytestmark = pytest.mark.bench
TENANTS = 1000
SHOP = Schema(
    "shop",
    version=1,
    objects=[
        Table("events", [Column("id", "UInt64"), Column("op", "String")], engine=MergeTree(order_by=["id"])),
        Table("orders", [Column("id", "UInt64"), Column("at", "DateTime")], engine=MergeTree(order_by=["at"])),
    ],
)


def _took(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def test_in_sync(results: Results, aaiclick_engine: EmbeddedEngine, aaiclick_schema: SchemaFactory) -> None:
    names = [aaiclick_schema(SHOP) for _ in range(TENANTS)]
    session = chdb.session.Session(aaiclick_engine.path)
    one = statistics.median(_took(lambda: session.query("SELECT 1", "TabSeparated").bytes()) for _ in range(200))
    assert all(tenant.answer and tenant.answer.in_sync for tenant in ensure_tenants(session, SHOP, names).tenants)
    for what, limit, call in (
        ("ensure_tenants", 10, lambda: ensure_tenants(session, SHOP, names)),
        ("validate_tenants", 20, lambda: validate_tenants(session, SHOP, names)),
    ):
        seconds = min(_took(call) for _ in range(2))
        ratio = seconds / TENANTS / one
        results.add(
            Line(
                f"`{what}`, {TENANTS:,} databases in sync",
                "`SELECT 1` for each",
                f"≤ {limit} s",
                limit,
                seconds,
                f"{seconds:.1f} s ({ratio:.1f} x)",
            )
        )
    session.close()
