"""Named collections as declarations: their values are in nothing but the statement that is sent."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from aaiclick import Schema
from aaiclick.cli.text.create import create_statements
from aaiclick.cli.text.source import python_source
from aaiclick.errors import SpecError
from aaiclick.server_objects import NamedCollection
from aaiclick.specs.server_objects.collections import NamedCollectionFields
from aaiclick.variables import Variable

SAID = r"""-- Where it lies.
CREATE NAMED COLLECTION IF NOT EXISTS `s3 shop` AS
    url = 'https://hush/it''s', `secret key` = '${SHOP_SECRET}' NOT OVERRIDABLE, -- by the environment
    kafka.retries = -3 OVERRIDABLE, ratio = 1.5, plain = true, odd = 'a$${b\'';
"""


def read(tmp_path: Path, text: str = SAID, **fields: object) -> Schema:
    path = tmp_path / "schema.sql"
    path.write_text(text)
    return Schema.from_sql(path, name="shop", version=1)


def test_the_text_is_the_declaration(tmp_path: Path) -> None:
    schema = read(tmp_path)
    (item,) = schema.named_collections
    keys: dict[str, str | int | float | bool | None] = {
        "url": "https://hush/it's",
        "secret key": "${SHOP_SECRET}",
        "kafka.retries": -3,
        "ratio": 1.5,
        "plain": True,
        "odd": "a$${b'",
    }
    said = NamedCollection("s3 shop", keys, overridable=["kafka.retries"], not_overridable=["secret key"])
    assert item.keys == keys
    assert schema.fingerprint == Schema("shop", version=1, objects=[said]).fingerprint
    assert item.unknown(item.keys) == (
        "the value of secret key is in the environment variable SHOP_SECRET, which is not set",
    )
    known = schema.resolved({"SHOP_SECRET": "hu'sh"}).named_collections[0]
    assert known.unknown(known.keys) == ()
    assert dict(known.values) == {
        "url": r"'https://hush/it\'s'",
        "secret key": r"'hu\'sh'",
        "kafka.retries": "-3",
        "ratio": "1.5",
        "plain": "true",
        "odd": r"'a${b\''",
    }


def test_values_are_nowhere_else(tmp_path: Path) -> None:
    schema = read(tmp_path).resolved({"SHOP_SECRET": "hush"})
    (statement,) = create_statements(schema)
    assert statement.sql == (
        "CREATE NAMED COLLECTION `s3 shop` AS `url` = '[HIDDEN]', `secret key` = '${SHOP_SECRET}' NOT OVERRIDABLE, "
        "`kafka.retries` = '[HIDDEN]' OVERRIDABLE, `ratio` = '[HIDDEN]', `plain` = '[HIDDEN]', `odd` = '[HIDDEN]'"
    )
    shown = f"{schema!r} {schema} {schema.objects[0]!s} {schema.model_dump()} {schema.model_dump_json()}"
    assert "hush" not in shown
    assert "${SHOP_SECRET}" in shown
    for made in (copy.deepcopy(schema), pickle.loads(pickle.dumps(schema))):
        assert made.named_collections[0].values["secret key"] == "'hush'"
    assert read(tmp_path, SAID.replace("hush", "other")).fingerprint == schema.fingerprint
    assert read(tmp_path, SAID.replace("ratio", "other")).fingerprint != schema.fingerprint
    left = NamedCollection("c", {"a": None})
    assert left.unknown(["a"]) == ("no value is given for a",)
    assert "from aaiclick.server_objects import NamedCollection\n" in python_source(Schema("s", objects=[left]))


def test_variables_of_the_schema_are_none_of_its_values() -> None:
    item = NamedCollection("c", {"a": "{days} ${days}"})
    schema = Schema("s", objects=[item], variables=[Variable("days", 1)])
    assert schema.resolved({"days": "x"}).named_collections[0].values == {"a": "'{days} x'"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("c AS a = 'hush' b = 1", "line 1, CREATE NAMED COLLECTION: a comma, OVERRIDABLE or NOT OVERRIDABLE"),
        ("c\n AS a = 'hush',", "line 2, .*: the name of a key was expected"),
        ("c AS a = now('hush')", "a text, a number, true or false was expected as the value of a"),
        ("c AS a = NULL", "a text, a number, true or false"),
        ("c AS a 'hush'", "= was expected behind a"),
        ("c (a = 'hush')", "AS was expected behind the name"),
        ("c AS a = 'hush', a = 1", "key a is there twice"),
        ("c AS a = '${1hush}'", r"named collection c: a: write \$\{NAME\}"),
        ("c AS a = 'x ${hush'", r"a: write \$\{NAME\}"),
        ("c ON CLUSTER d AS a = 'hush'", r"Schema\(cluster=\.\.\.\)"),
        (
            "c AS a = 1; CREATE TABLE c (a Int8) ENGINE = Memory",
            "c is declared in line 1 already: it has the name of a named",
        ),
        ("-- renamed_from: d\nc AS a = 1", "stands above nothing"),
    ],
)
def test_wrong_texts_are_refused_without_their_values(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        read(tmp_path, f"CREATE NAMED COLLECTION {text}")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "fields", "said"),
    [
        ("hush", {}, "its keys are a dictionary"),
        ({"a": ["hush"]}, {}, "its keys are a dictionary"),
        ({}, {}, "has no key"),
        ({"a": "hush"}, {"overridable": ["b"]}, "b is none of its keys"),
        ({"a": "hush"}, {"overridable": ["a"], "not_overridable": ["a"]}, "a is overridable and not overridable"),
    ],
)
def test_wrong_declarations_are_refused_without_their_values(
    keys: dict[str, str | int | float | bool | None], fields: NamedCollectionFields, said: str
) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        NamedCollection("c", keys, **fields)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"": "hush"}, "a key has no name"),
        ({"a\udc80": "hush"}, "the name of a key is no UTF-8"),
        ({"a": "hush\udc80"}, "the value of a is no UTF-8"),
        ({"a": "[HIDDEN]"}, r"the value of a is \[HIDDEN\], which is printed in place"),
        ({"a": 2**64}, "the value of a has more digits"),
        ({"a": 10**5000}, "the value of a has more digits"),
        ({"a": float("inf")}, "the value of a is no finite number"),
    ],
)
def test_what_no_statement_can_hold_is_refused_without_its_value(
    keys: dict[str, str | int | float | bool | None], said: str
) -> None:
    with pytest.raises(SpecError, match=f"named collection c: {said}") as caught:
        NamedCollection("c", keys)
    assert "hush" not in str(caught.value)


def test_an_environment_variable_that_cannot_be_sent_counts_as_not_known() -> None:
    item = NamedCollection("c", {"a": "x ${ODD}", "b": 2**64 - 1, "c": -(2**63)}).resolved({"ODD": "hush\udc80"})
    assert dict(item.values) == {"b": str(2**64 - 1), "c": str(-(2**63))}
    assert item.unknown(item.keys) == (
        "the value of a is in the environment variable ODD, which is no UTF-8 and cannot be sent",
    )
