"""``aaiclick reflect``: source that, run, gives the same schema."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aaiclick.specs
from aaiclick.cli.text.source import WIDTH, constant_name, python_source
from aaiclick.oplog import OPLOG
from aaiclick.specs import Column, MergeTree, ReplacingMergeTree, Schema, Table
from aaiclick.specs.columns import SettingValue
from tests.cli.text.test_create import ALL


def executed(source: str) -> Schema:
    """The one constant of the source. Names come from the vocabulary, as ``from aaiclick import`` would give them."""
    first, _, rest = source.partition("\n\n")
    imported = first.removeprefix("from aaiclick import").strip("( )\n").replace("\n", " ").split(",")
    names = {name.strip(): getattr(aaiclick.specs, name.strip()) for name in imported if name.strip()}
    before = set(names) | {"__builtins__"}
    exec(compile(rest, "reflected.py", "exec"), names)
    (made,) = [value for name, value in names.items() if name not in before]
    assert isinstance(made, Schema)
    return made


def same(first: Schema, second: Schema) -> bool:
    return (
        first == second
        and first.fingerprint == second.fingerprint
        and first.model_fields_set == second.model_fields_set
    )


@pytest.mark.parametrize(
    "schema",
    [OPLOG, Schema("s", version=1, objects=list(ALL), unsupported={'a"b': "it's \\ a\nproblem"}), Schema("empty")],
)
def test_the_source_gives_the_same_schema(schema: Schema) -> None:
    assert same(executed(python_source(schema)), schema)


def test_that_nothing_was_left_out_needs_no_words() -> None:
    schema = Schema("s", version=1, unsupported={})
    assert "unsupported" not in python_source(schema)
    assert "unsupported" in schema.model_fields_set


def test_unset_and_none_are_told_apart() -> None:
    for engine in (MergeTree(order_by=[]), MergeTree(order_by=[], partition_by=None)):
        schema = Schema("s", objects=[Table("t", [Column("id", "UInt64")], engine=engine)])
        assert same(executed(python_source(schema)), schema)


def test_a_brief_source_declares_only_what_is_there() -> None:
    column = Column("id", "UInt64", default=None, codec=None, comment="", settings={})
    table = Table(
        "t", [column], engine=MergeTree(order_by=["id"], partition_by=None, ttl=None), indexes=[], comment=None
    )
    text = python_source(Schema("s", version=1, objects=[table], unsupported={}), brief=True)
    assert text.endswith(
        'S = Schema("s", version=1, objects=[Table("t", [Column("id", "UInt64")], '
        'engine=MergeTree(order_by=["id"]))])\n'
    )
    assert same(executed(python_source(Schema("s", objects=list(ALL)), brief=True)), Schema("s", objects=list(ALL)))


TEXTS = st.text(min_size=1, max_size=60).filter(lambda text: bool(text.strip()))
SETTINGS = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=20), st.none()),
)


@given(name=TEXTS, kind=TEXTS, comment=st.none() | st.text(), settings=SETTINGS, version=st.none() | st.integers(1, 99))
def test_any_text_survives(
    name: str, kind: str, comment: str | None, settings: dict[str, SettingValue], version: int | None
) -> None:
    column = Column(name, kind, comment=comment, default=kind, settings=settings)
    table = Table(kind, [column], engine=ReplacingMergeTree(order_by=[name], settings=settings))
    schema = Schema(name, version=version, objects=[table])
    assert same(executed(python_source(schema)), schema)


def test_lines_are_broken_where_they_can_be() -> None:
    text = python_source(OPLOG)
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert '            Column("id", "UInt64", default="generateSnowflakeID()"),\n' in text
    assert text.endswith(")\n")


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("oplog", "OPLOG"),
        ("my-app.v2", "MY_APP_V2"),
        ("2nd", "SCHEMA_2ND"),
        ("größe", "GR__E"),
        ("None", "NONE"),
        ("!", "_"),
    ],
)
def test_names_of_the_constant(name: str, constant: str) -> None:
    assert constant_name(name) == constant
    assert constant.isidentifier()
