"""What one command says for itself: ``--var``, and ``--keep-old`` of ``aaiclick plan``."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick.cli.configuration.settings import load
from aaiclick.cli.frame import Frame
from aaiclick.errors import UsageError
from tests.support.pages import environment
from tests.support.resident import resident


def test_a_flag_counts_more_than_a_variable_and_the_file(tmp_path: Path) -> None:
    (tmp_path / "aaiclick.toml").write_text("variables = { ttl_days = 60, tier = 'cold' }", encoding="utf-8")
    found = load({}, None, {"AAICLICK_VAR_TTL_DAYS": "70"}, tmp_path, ["ttl_days=90", "text=a=b"]).values()
    assert {name: (value.text, value.origin) for name, value in found.items()} == {
        "ttl_days": ("90", "--var"),
        "text": ("a=b", "--var"),
        "tier": ("cold", "aaiclick.toml"),
    }


def test_a_flag_needs_no_file(tmp_path: Path) -> None:
    assert load({}, None, {}, tmp_path, ["ttl_days=90"]).values()["ttl_days"].text == "90"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["ttl_days"], "--var 'ttl_days': write the name"),
        (["=90"], "--var '=90': write the name"),
        (["ttl_days=90", "ttl_days=60"], "--var gives ttl_days twice: '90' and '60'"),
    ],
)
def test_what_is_no_value(tmp_path: Path, values: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load({}, None, {}, tmp_path, values)


def test_commands_that_are_suggested_say_the_same() -> None:
    given = (("--out", "p.json"), ("--keep-old", "2d"))
    frame = Frame("plan", False, False, schema="shop:SHOP", keep_old="2d", extra=given, values=("ttl_days=90",))
    assert frame.migrate(("change-ttl t",)) == (
        "aaiclick migrate --schema shop:SHOP --var ttl_days=90 --keep-old 2d --allow 'change-ttl t'"
    )
    back = Frame("rollback", False, False, keep_old="2d", extra=(("--keep-old", "2d"),))
    assert back.migrate() == "aaiclick migrate"


def test_a_plan_is_made_for_the_time_that_is_given(tmp_path: Path) -> None:
    wanted = ["plan", "--url", "chdb://memory", "--keep-old"]
    done = resident().aaiclick([*wanted, "soon"], tmp_path, environment())
    assert (done.code, "--keep-old: 'soon' is no length of time" in done.stderr) == (2, True)
    assert resident().aaiclick([*wanted, "2d"], tmp_path, environment()).code == 0


@pytest.mark.parametrize("command", ["status", "plan", "migrate", "rollback", "adopt", "ddl"])
def test_a_name_that_the_schema_does_not_have(tmp_path: Path, command: str) -> None:
    more = {"ddl": [], "adopt": ["--url", "chdb://memory", "--version", "1"]}.get(command, ["--url", "chdb://memory"])
    done = resident().aaiclick([command, *more, "--var", "days=1"], tmp_path, environment())
    assert (done.code, done.stderr) == (2, "error: --var days: oplog has no such variable (it has none)\n")
