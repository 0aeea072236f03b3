"""``aaiclick check --engines``: a schema on embedded engines of other releases. Here it is the installed one; wheels of
older releases are fetched by ``make engines``."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.api.revision import revise
from aaiclick.errors import ConnectionFailed, UsageError
from aaiclick.testing import releases
from aaiclick.testing.on_releases import check_on_releases
from tests.migrations.projects import Project

N, M, K = Column("n", "UInt64"), Column("m", "UInt64"), Column("k", "UInt8")


def test_created_and_upgraded_from_every_locked_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    project = Project(tmp_path)
    try:
        revise(project.schema(1), "first")
        revise(project.schema(2, N), "n")
        (good,) = check_on_releases(project.schema(2, N), ["26.9"])
        assert (good.release, good.version[:5], good.upgrades, good.problems) == ("26.9", "26.9.", (1,), ())
        # What cannot even be declared there is refused in the same words on every way: it is said once.
        unknown = Table("t", [Column("t", "NoSuchType")], engine=MergeTree(order_by=[]))
        schema = project.schema(2, N)
        (bad,) = check_on_releases(schema.model_copy(update={"objects": [*schema.objects, unknown]}), ["26.9"])
        (said,) = bad.problems
        assert said.startswith("not created, not upgraded from v1: table t: Unknown data type family: NoSuchType.")
        # An install at a version has seen the migrations up to it.
        table = project.schema(2, N).tables[0].name
        revise(project.schema(3, M), "m", {f"{table}.n": "m"})
        revise(project.schema(4, M, K), "k")
        (newer,) = check_on_releases(project.schema(4, M, K), ["26.9"])
        assert (newer.upgrades, newer.problems) == ((1, 2, 3), ())
    finally:
        project.forget()


def test_releases_without_a_wheel_are_named() -> None:
    schema = Schema("s", objects=[Table("t", [N], engine=MergeTree(order_by=["n"]))])
    for wrong in ("27.1", "25", "chdb", "chdb==1; rm", "numpy==1.0"):
        with pytest.raises(UsageError, match=r"24.8, 25.8, 26.9 .* chdb==3.7.2"):
            check_on_releases(schema, [wrong])


@pytest.mark.slow
def test_a_wheel_that_cannot_be_fetched_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAICLICK_ENGINES_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    said: list[str] = []
    with pytest.raises(ConnectionFailed, match=r"chdb==0\.0\.1 cannot be fetched into .*PIP_FIND_LINKS=folder"):
        releases.python_of("chdb==0.0.1", said.append)
    assert [each.partition(", once, into ")[0] for each in said] == ["fetching chdb==0.0.1 with pip"]
    assert list(tmp_path.iterdir()) == []
