"""What counts, and what a variable becomes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from aaiclick.cli import calls
from aaiclick.cli.configuration.settings import KEEP_VARIABLE, Settings, load
from aaiclick.cli.configuration.variables import with_variables
from aaiclick.cli.main import build
from aaiclick.clients.url import ServerUrl, parse_url
from aaiclick.errors import UsageError
from aaiclick.plan.policy import KEEP_ENVIRONMENT

FILE = """
schema = "a:TOP"
url = "chdb://data"
database = "top"
[env.prod]
schema = "a:PROD"
url = "clickhouse://app:${PASSWORD}@db.example/prod"
keep-old = "7d"
[env.bare]
url = "clickhouse://db.example"
"""


def settings(
    folder: Path, env: str | None = None, *, flags: dict[str, str] | None = None, **variables: str
) -> Settings:
    (folder / "aaiclick.toml").write_text(FILE, encoding="utf-8")
    below = folder / "below"
    below.mkdir(exist_ok=True)
    return load(flags or {}, env, variables, below)


def said(found: Settings, key: str) -> tuple[str, str]:
    value = found.value(key)
    assert value is not None
    return value.text, value.origin


def test_a_flag_counts_most_then_a_variable_then_the_environment_then_the_top(tmp_path: Path) -> None:
    assert said(settings(tmp_path), "schema") == ("a:TOP", "aaiclick.toml")
    assert said(settings(tmp_path, "prod"), "schema") == ("a:PROD", "aaiclick.toml [env.prod]")
    assert said(settings(tmp_path, AAICLICK_ENV="prod"), "schema") == ("a:PROD", "aaiclick.toml [env.prod]")
    assert said(settings(tmp_path, "bare", AAICLICK_ENV="prod"), "schema") == ("a:TOP", "aaiclick.toml")
    variable = settings(tmp_path, "prod", AAICLICK_SCHEMA="b:B", AAICLICK_ENV="")
    assert said(variable, "schema") == ("b:B", "AAICLICK_SCHEMA")
    flag = settings(tmp_path, "prod", flags={"schema": "c:C"}, AAICLICK_SCHEMA="b:B")
    assert said(flag, "schema") == ("c:C", "--schema")
    assert settings(tmp_path).value("keep-old") is None
    assert said(settings(tmp_path, AAICLICK_KEEP_OLD="1h"), "keep-old") == ("1h", "AAICLICK_KEEP_OLD")
    assert KEEP_VARIABLE == KEEP_ENVIRONMENT


def test_a_relative_directory_is_seen_from_the_folder_of_the_file(tmp_path: Path) -> None:
    url = settings(tmp_path).url()
    assert url is not None
    assert url.text == f"chdb://{tmp_path}/data"
    typed = settings(tmp_path, flags={"url": "chdb://data"}).url()
    assert typed is not None
    assert typed.text == "chdb://data"


@pytest.mark.parametrize("text", ["chdb://memory", "chdb://:memory:", "chdb:///data", "chdb://~/data"])
def test_other_places_are_taken_as_they_are(tmp_path: Path, text: str) -> None:
    (tmp_path / "aaiclick.toml").write_text(f'url = "{text}"', encoding="utf-8")
    url = load({}, None, {}, tmp_path).url()
    assert url is not None
    assert url.text == text


def test_the_database_that_was_said_nearer_counts(tmp_path: Path) -> None:
    def database(found: Settings) -> str | None:
        value = found.database()
        return value.text if value is not None else None

    assert database(settings(tmp_path)) == "top"
    # None: the one that the URL names.
    assert database(settings(tmp_path, "prod", PASSWORD="x")) is None
    assert database(settings(tmp_path, "bare")) == "top"
    assert database(settings(tmp_path, flags={"url": "clickhouse://other/db"})) is None
    assert database(settings(tmp_path, AAICLICK_CH_URL="clickhouse://other")) == "top"
    assert database(settings(tmp_path, "prod", flags={"database": "typed"}, PASSWORD="x")) == "typed"


@pytest.mark.parametrize("password", ["s3cret", "p@ss/w#rd?", "100%", "a:b", "", "$&=;ü"])
def test_a_password_may_hold_anything(tmp_path: Path, password: str) -> None:
    url = settings(tmp_path, "prod", PASSWORD=password).url()
    assert url is not None
    parsed = parse_url(url.text)
    assert isinstance(parsed, ServerUrl)
    assert (parsed.password, parsed.host, parsed.database) == (password, "db.example", "prod")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("clickhouse://${U}:${P}@${H}/${D}?ca_cert=${C}", "clickhouse://a%40b:p%2Fw@db:9000/shop?ca_cert=%2Fca"),
        ("clickhouse://${H}/${D}", "clickhouse://db:9000/shop"),
        ("clickhouse://u:x${P}y@h?user=${U}", "clickhouse://u:xp%2Fwy@h?user=a%40b"),
        ("${ALL}", "https://u:p@h/d"),
        ("chdb://${C}/data", "chdb:///ca/data"),
        ("chdb://a=${C}", "chdb://a=/ca"),
        ("clickhouse://u:$${P}$P@h", "clickhouse://u:${P}$P@h"),
    ],
)
def test_a_value_is_encoded_where_the_url_decodes_it(template: str, text: str) -> None:
    variables = {"U": "a@b", "P": "p/w", "H": "db:9000", "D": "shop", "C": "/ca", "ALL": "https://u:p@h/d"}
    assert with_variables(template, variables, "url", url=True) == text
    assert urlsplit(text).scheme


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("${A}${B}${A}", "url takes A and B from the environment, and they are not set"),
        ("x${A}", "url takes A from the environment, and it is not set"),
        ("${HOME:-x}", "url: ${HOME:-x} names no environment variable. Write ${NAME}; there are no defaults"),
        ("${}", "url: ${} names no environment variable"),
        ("${A", "url: a ${ has no closing }"),
        ("${${A}}", "url: a ${ has no closing }"),
    ],
)
def test_what_is_no_variable(template: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_variables(template, {"HOME": "secret"}, "url")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "clickhouse://app:${P}",
        "clickhouse://app:${P}@",
        "${P}",
        "clickhouse://app:${P}@h:port",
        "chdb://x?${P}=1",
        "x${P}",
    ],
)
def test_a_wrong_url_is_told_as_it_is_written(tmp_path: Path, template: str) -> None:
    (tmp_path / "aaiclick.toml").write_text(f'url = "{template}"', encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load({}, None, {"P": "s3/cret"}, tmp_path).url()
    assert "url in aaiclick.toml: " in str(caught.value)
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_variable_that_is_set_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "aaiclick.toml").write_text('url = "${CH}"', encoding="utf-8")
    with pytest.raises(UsageError, match=r"url in aaiclick\.toml is empty: CH is set to nothing"):
        load({}, None, {"CH": ""}, tmp_path).url()


def test_an_environment_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--env asks for the environment prdo: .* has prod, bare only\. Did you mean prod"
    ):
        settings(tmp_path, "prdo")
    with pytest.raises(UsageError, match=r"AAICLICK_ENV asks for the environment x: .* has prod, bare only$"):
        settings(tmp_path, AAICLICK_ENV="x")
    (tmp_path / "aaiclick.toml").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="has no environments"):
        load({}, "x", {}, tmp_path)
    (tmp_path / "aaiclick.toml").unlink()
    with pytest.raises(UsageError, match=r"--env asks for the environment x, and neither .* has an aaiclick\.toml"):
        load({}, "x", {}, tmp_path)


def test_another_url_than_that_of_the_environment_is_told(tmp_path: Path) -> None:
    told = settings(tmp_path, "prod", AAICLICK_CH_URL="chdb://memory").overruled()
    assert told == (
        "AAICLICK_CH_URL is set, and counts more than the url in aaiclick.toml [env.prod]: unset it to use environment prod"
    )
    assert settings(tmp_path, AAICLICK_CH_URL="chdb://memory").overruled() == ""
    assert settings(tmp_path, "prod", flags={"url": "chdb://memory"}).overruled() == ""
    assert settings(tmp_path, "prod").overruled() == ""


def test_a_wrong_policy_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "aaiclick.toml").write_text('policy = "saef"\nkeep-old = "soon"', encoding="utf-8")
    found = load({}, None, {}, tmp_path)
    with pytest.raises(UsageError, match=r"^policy in aaiclick\.toml='saef' is no policy"):
        calls.policy(found.value("policy"), (), None)
    with pytest.raises(UsageError, match=r"^keep-old in aaiclick\.toml: 'soon' is no length of time"):
        calls.kept_for(found.value("keep-old"))
    (tmp_path / "aaiclick.toml").write_text('policy = "safe"', encoding="utf-8")
    chosen = calls.policy(load({}, None, {}, tmp_path).value("policy"), (), None)
    assert chosen.words == "policy safe (aaiclick.toml)"


def test_what_a_variable_holds_is_shown_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aaiclick.toml").write_text('policy = "${SECRET_POLICY}"\ndatabase = "${SECRET_NAME}"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_POLICY", "SEKRETA")
    monkeypatch.setenv("SECRET_NAME", "SEKRETB")
    ran = CliRunner().invoke(build(rich_help=False), ["config"])
    assert ran.exit_code == 2
    assert "SEKRET" not in ran.output
    assert "${SECRET_POLICY}" in ran.output
    assert "${SECRET_NAME}" in ran.output


def test_a_link_that_leads_nowhere_is_no_absence(tmp_path: Path) -> None:
    (tmp_path / "aaiclick.toml").symlink_to(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match=r"aaiclick\.toml is a link to .*gone\.toml, which is not there"):
        load({}, None, {}, tmp_path)


@pytest.mark.parametrize(
    "command", [["history"], ["reflect"], ["rollback", "--to", "1"], ["plan"], ["prune"], ["adopt"]]
)
def test_a_pattern_is_for_two_commands(command: list[str], tmp_path: Path) -> None:
    given = [*command, *(["--version", "1"] if command == ["adopt"] else [])]
    ran = CliRunner().invoke(build(rich_help=False), [*given, "--url", f"chdb://{tmp_path}/d", "--database", "t_*"])
    assert (ran.exit_code, "a pattern is only for migrate and status" in ran.output) == (2, True)
