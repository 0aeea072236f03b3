from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaiclick.clients import EmbeddedUrl, ServerUrl, mask, parse_url
from aaiclick.errors import UsageError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("clickhouse://host", ServerUrl("host", 8123)),
        ("CLICKHOUSE://Host/db", ServerUrl("host", 8123, database="db")),
        ("clickhouse://user:pw@host:9123/db", ServerUrl("host", 9123, user="user", password="pw", database="db")),
        ("clickhouse://host:8443", ServerUrl("host", 8443, secure=True)),
        ("clickhouse://host:443/db?secure=0", ServerUrl("host", 443, secure=False, database="db")),
        ("clickhouse://host?secure=true", ServerUrl("host", 8443, secure=True)),
        ("clickhouses://host", ServerUrl("host", 8443, secure=True)),
        ("https://host", ServerUrl("host", 8443, secure=True)),
        ("http://host:8443", ServerUrl("host", 8443)),
        ("http://:pw@host", ServerUrl("host", 8123, password="pw")),
        (
            "http://u%40x:p%3Aw%2F%23%3F@host/a%20b",
            ServerUrl("host", 8123, user="u@x", password="p:w/#?", database="a b"),
        ),
        ("http://u:p@w@host", ServerUrl("host", 8123, user="u", password="p@w")),
        ("http://u:p:w@host", ServerUrl("host", 8123, user="u", password="p:w")),
        (
            "http://host?user=u&password=p&database=d&max_threads=4",
            ServerUrl("host", 8123, user="u", password="p", database="d", settings=(("max_threads", "4"),)),
        ),
        (
            "https://host/d?verify=false&max_threads=4",
            ServerUrl(
                "host", 8443, True, database="d", settings=(("max_threads", "4"),), options=(("verify", "false"),)
            ),
        ),
        ("http://[::1]:8124/d", ServerUrl("::1", 8124, database="d")),
        ("chdb://memory", EmbeddedUrl(":memory:")),
        ("chdb://:memory:?database=d&max_threads=2", EmbeddedUrl(":memory:", "d", (("max_threads", "2"),))),
        ("chdb:///no/such/place", EmbeddedUrl("/no/such/place")),
        ("chdb:///no/./such/../place/", EmbeddedUrl("/no/place")),
        ("chdb:///100%25/a#b@c:d", EmbeddedUrl("/100%25/a#b@c:d")),
    ],
)
def test_accepted(url: str, expected: object) -> None:
    assert parse_url(url) == expected


def test_paths_from_here_and_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = os.path.realpath(tmp_path)
    assert parse_url("chdb://data/x") == EmbeddedUrl(f"{here}/data/x")
    assert parse_url("chdb://./memory") == EmbeddedUrl(f"{here}/memory")
    assert parse_url("chdb://~/data") == EmbeddedUrl(f"{here}/home/data")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert parse_url(f"chdb://{tmp_path}/link") == EmbeddedUrl(f"{here}/real")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "Accepted"),
        ("localhost", "Accepted"),
        ("/data/x", "did you mean 'chdb:///data/x'"),
        ("./x", "did you mean 'chdb://./x'"),
        ("data", "'data' is no database URL (did you mean 'chdb://data'?)"),
        ("localhost:8123/shop", "did you mean 'clickhouse://localhost:8123/shop'?"),
        ("u:geheim@h", "is no database URL. Accepted"),
        ("postgres://u:geheim@h/d", "is no database URL"),
        ("clickhouse://", "names no host"),
        ("clickhouse:///db", "names no host"),
        ("chdb://", "names no directory"),
        ("http://u:geheim@host:port/d", "wrong host or port"),
        ("http://u:geheim/x@host/d", "wrong host or port"),
        ("http://u:geheim#x@host/d", "wrong host or port"),
        ("http://u:geheim@host/d#x", "%23"),
        ("http://u:geheim@host:99999/d", "wrong host or port"),
        ("http://u:geheim@host/proxy/d", "more than a database name"),
        ("http://u:geheim@host/d?max threads=1", "no name of a setting"),
        ("http://u:geheim@host/d?secure=maybe", "true or false"),
        ("http://host/d?password=geheim&x y=1", "no name of a setting"),
    ],
)
def test_refused_with_a_sentence_and_without_the_password(url: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert words in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(user=st.text(), password=st.text(min_size=3), database=st.text(min_size=1))
def test_anything_can_be_encoded_and_nothing_leaks(user: str, password: str, database: str) -> None:
    url = f"clickhouse://{quote(user, safe='')}:{quote(password, safe='')}@host/{quote(database, safe='')}"
    parsed = parse_url(url)
    assert isinstance(parsed, ServerUrl)
    assert (parsed.user, parsed.password, parsed.database) == (user or "default", password, database)
    assert mask(url) == f"clickhouse://{quote(user, safe='')}:***@host/{quote(database, safe='')}"
    assert parsed.place == "http://host:8123"


def test_the_password_is_in_no_repr() -> None:
    assert "geheim" not in repr(parse_url("http://u:geheim@h/d"))


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://host/d", "http://host/d"),
        ("http://u@host/d", "http://u@host/d"),
        ("http://u:p@host/d", "http://u:***@host/d"),
        ("http://u:p/q?r#s@t@host/d", "http://u:***@host/d"),
        ("http://host/d?user=u&password=p&x=1", "http://host/d?user=u&password=***&x=1"),
        ("chdb:///data/a", "chdb:///data/a"),
        ("no url", "no url"),
    ],
)
def test_mask(url: str, masked: str) -> None:
    assert mask(url) == masked
