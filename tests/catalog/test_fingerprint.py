"""Digests for the warm start."""

from __future__ import annotations

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.routine import Command, Connection
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.catalog.helpers import texts

OBJECTS = (
    "CREATE TABLE src (a UInt64, b String COMMENT 'of {db}.src') ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE `odd name` (a UInt64) ENGINE = Log",
    "CREATE TABLE tgt (a UInt64) ENGINE = MergeTree ORDER BY a",
    "CREATE VIEW v AS SELECT a FROM src WHERE a IN (SELECT a FROM tgt)",
    "CREATE MATERIALIZED VIEW mv TO tgt AS SELECT a FROM src",
    "CREATE DICTIONARY dic (a UInt64) PRIMARY KEY a SOURCE(NULL()) LIFETIME(0) LAYOUT(FLAT())",
)


def test_the_same_objects_in_two_databases(connection: Connection, aaiclick_engine: EmbeddedEngine) -> None:
    digests: list[str] = []
    found: dict[str, str] = {}
    for name in (fresh_name("a"), fresh_name("b") + "x"):
        connection.command(Command(f"CREATE DATABASE `{name}`"))
        for sql in OBJECTS:
            connection.command(Command(sql, database=name))
        found = texts(connection, name)
        digests.append(text_digest(found))
        aaiclick_engine.command(f"DROP DATABASE IF EXISTS `{name}` SYNC")
    assert len(found) == len(OBJECTS)
    assert digests[0] == digests[1]
    assert digests[0].startswith("1:")
    for name, text in found.items():
        changed = {**found, name: text.replace("UInt64", "UInt32", 1)}
        assert text_digest(changed) != digests[0], name


def test_what_counts() -> None:
    text = "CREATE TABLE d.t (`a` UInt8) ENGINE = Log"
    assert text_digest({"t": text, "s": text}) == text_digest({"s": text, "t": text})
    assert text_digest({"t": text}) == text_digest(
        {"t": text.replace("d.t", "`other db`.t UUID '11111111-1111-1111-1111-111111111111'")}
    )
    assert text_digest({"t": text}) != text_digest({"s": text})
    assert text_digest({"t": text}) != text_digest({"t": text.replace("TABLE", "VIEW")})
    assert text_digest({"t": ""}) != text_digest({})
    assert text_digest({"v": "CREATE VIEW d.v AS SELECT a FROM d.t"}) != text_digest(
        {"v": "CREATE VIEW d.v AS SELECT a FROM e.t"}
    )
    assert text_digest({"v": "CREATE VIEW d.v ("}) == text_digest({"v": "CREATE VIEW d.v ("})


def test_a_stable_encoding() -> None:
    """A digest is stored with the record: a changed encoding needs a new number in front."""
    assert text_digest({"t": "CREATE TABLE d.t (`a` UInt8) ENGINE = Log"}) == "1:0ea4a2d185d8a5ec68b286b078591e35"
