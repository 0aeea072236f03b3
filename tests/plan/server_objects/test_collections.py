"""Named collections: made before what names them, compared by their keys, changed and dropped by name."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick import (
    Column,
    Engine,
    MergeTree,
    Plan,
    Policy,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
    reflect_schema,
    validate_schema,
)
from aaiclick.allow import set_values
from aaiclick.api.adopt import adopt_schema
from aaiclick.api.revision import check_schema, revise
from aaiclick.catalog.server_objects.collections import read_collections
from aaiclick.cli.text.create import sql_file
from aaiclick.errors import (
    ApplyError,
    BlockedError,
    DoesNotFitError,
    SchemaVersionError,
    SpecError,
    UndecidedError,
    UsageError,
)
from aaiclick.events import Note, StepStarted
from aaiclick.plan.server_objects.collections import plan_collections
from aaiclick.routine import Query, Routine
from aaiclick.server_objects import NamedCollection
from aaiclick.sql.secrets import without_secrets
from aaiclick.testing.engine import fresh_name
from aaiclick.versions.migrate_to import schema_until
from tests.migrations.projects import Project

NAME = fresh_name("s3").replace("-", "_")
URL = "https://hush.s3.amazonaws.com/x.csv"
OUTSIDE = Table("outside", [Column("a", "UInt64")], engine=Engine("S3", NAME))
TABLE = Table("t", [Column("a", "UInt64")], engine=MergeTree(order_by="a"))


@pytest.fixture
def client(aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("S3_SECRET", "hush'hush")
    yield aaiclick_client
    for name in ("outside", "other"):
        aaiclick_client.command(f"DROP TABLE IF EXISTS {name} SYNC")
    aaiclick_client.command(f"DROP NAMED COLLECTION IF EXISTS {NAME}")


def collection(**more: str) -> NamedCollection:
    keys = {"url": URL, "format": "CSV", "access_key_id": "hush", "secret_access_key": "${S3_SECRET}", **more}
    return NamedCollection(NAME, keys, not_overridable=["secret_access_key"])


def schema(version: int, *objects: Table | NamedCollection) -> Schema:
    return Schema("s", version=version, objects=[TABLE, *objects])


def keys(client: Client) -> list[str]:
    listed = f"SELECT arraySort(mapKeys(collection)) FROM system.named_collections WHERE name = '{NAME}'"
    return [str(key) for row in client.query(listed).result_rows for key in row[0]]


def test_it_is_made_before_the_table_that_names_it(client: Client) -> None:
    wanted = schema(1, OUTSIDE, collection())
    plan = plan_schema(client, wanted)
    assert Plan.from_json(plan.to_json()).steps[0] == plan.steps[0]
    assert keys(client) == []
    report = ensure_schema(client, wanted, policy=Policy.safe())
    assert [(step.object, step.strategy) for step in report.steps] == [
        (NAME, "create"),
        ("t", "create"),
        ("outside", "create"),
    ]
    assert keys(client) == ["access_key_id", "format", "secret_access_key", "url"]
    assert ensure_schema(client, wanted).steps == ()
    assert plan_schema(client, wanted).steps == ()
    recorded = client.query("SELECT * FROM schema_version").result_rows
    comments = client.query("SELECT comment FROM system.tables WHERE database = currentDatabase()").result_rows
    assert "hush" not in f"{plan} {plan.to_json()} {report} {recorded} {comments}"
    # Another value is no difference, whoever set it.
    client.command(f"ALTER NAMED COLLECTION {NAME} SET url = 'https://other.s3.amazonaws.com/x.csv'")
    assert ensure_schema(client, wanted).steps == ()
    # The server keeps what is named, and a key that is gone is seen by a start that has nothing else to do.
    client.command(f"ALTER NAMED COLLECTION {NAME} DELETE format")
    assert validate_schema(client, wanted).differences == (f"{NAME}: key format is missing",)
    with pytest.raises(SchemaVersionError, match=f"--allow 'change-collection {NAME}'"):
        ensure_schema(client, wanted, policy=Policy.lossless())
    ensure_schema(client, wanted, policy=Policy.lossless().allow(f"change-collection {NAME}"))
    assert keys(client) == ["access_key_id", "format", "secret_access_key", "url"]


@pytest.mark.parametrize("more", ["", ", format = 'x'"], ids=["a key less", "the same keys"])
def test_one_that_a_run_of_another_database_makes_in_between(client: Client, more: str) -> None:
    said: list[str] = []

    def meanwhile(event: object) -> None:
        if isinstance(event, StepStarted) and event.object == NAME:
            client.command(f"CREATE NAMED COLLECTION {NAME} AS url = 'x'{more}")
        if isinstance(event, Note):
            said.append(event.text)

    declared = schema(1, NamedCollection(NAME, {"url": URL, "format": "CSV"}))
    if more:
        assert ensure_schema(client, declared, on_event=meanwhile).in_sync
        assert said == [f"{NAME} was made by another run in this moment, with the same keys; nobody shows its values"]
    else:
        with pytest.raises(ApplyError, match="NAMED_COLLECTION_ALREADY_EXISTS"):
            ensure_schema(client, declared, on_event=meanwhile)


def test_a_value_that_is_not_known_stops_only_what_needs_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("S3_SECRET")
    with pytest.raises(BlockedError, match="secret_access_key is in the environment variable S3_SECRET, which is not"):
        ensure_schema(client, schema(1, collection()))
    assert keys(client) == []
    client.command(f"CREATE NAMED COLLECTION {NAME} AS url = 'x', format = 'x', access_key_id = 'x', by_hand = 1")
    left = NamedCollection(NAME, {"url": None, "format": "CSV", "access_key_id": "${NOT_SET}"})
    plan = plan_schema(client, schema(1, left))
    assert [(step.change, step.optional) for step in plan.steps if step.object == NAME] == [
        ("key by_hand is not declared", True)
    ]
    assert plan.notes == (f"{NAME}: key by_hand is not declared (left alone)",)
    ensure_schema(client, schema(1, left))
    assert "by_hand" in keys(client)
    ensure_schema(client, schema(1, left), policy=Policy.lossless().allow(f"drop-collection-key {NAME}.by_hand"))
    assert keys(client) == ["access_key_id", "format", "url"]
    # Whose value is somebody else's is not set with the others, and told where it is asked for.
    (step,) = plan_schema(client, schema(1, left), allow=[f"set-values {NAME}.url"]).steps
    assert (step.change, step.blocked) == ("values of url are set anew", "no value is given for url")
    alone = NamedCollection(NAME, dict.fromkeys(left.keys))
    with pytest.raises(BlockedError, match="no value is given for url"):
        ensure_schema(client, schema(1, alone), policy=Policy.lossless().allow(set_values(NAME)))


def test_values_are_set_anew_and_flags_follow(client: Client) -> None:
    def declared(number: int, *overridable: str) -> NamedCollection:
        keys = {"url": "http://localhost:1/x", "format": f"Nosuch{number}"}
        return NamedCollection(NAME, keys, overridable=list(overridable))

    ensure_schema(client, schema(1, declared(1)))
    assert plan_schema(client, schema(1, declared(2))).steps == ()
    policy = Policy.lossless().allow(set_values(NAME, "format"))
    (step,) = ensure_schema(client, schema(1, declared(2)), policy=policy).steps
    assert (step.change, step.strategy) == ("values of format are set anew", "alter")
    with pytest.raises(DatabaseError, match="Nosuch2"):
        client.command(f"SELECT * FROM url({NAME}, structure = 'a UInt8')")
    client.command(f"ALTER NAMED COLLECTION {NAME} SET `by.hand` = 1 OVERRIDABLE")
    (step,) = (each for each in plan_schema(client, schema(2, declared(2, "url"))).steps if not each.optional)
    assert step.change == "key url is not marked, OVERRIDABLE is declared"
    third = schema(2, declared(3, "url", "format"))
    ensure_schema(client, third, policy=Policy.everything())
    assert plan_schema(client, third).steps == ()
    with pytest.raises(DatabaseError, match="Nosuch3"):
        client.command(f"SELECT * FROM url({NAME}, structure = 'a UInt8')")


def test_it_is_dropped_by_name_alone(client: Client) -> None:
    ensure_schema(client, schema(1, collection()))
    ensure_schema(client, schema(2), policy=Policy.everything())
    assert keys(client) != []
    again = schema(1, collection())
    client.command("TRUNCATE TABLE schema_version")
    ensure_schema(client, again)

    def meanwhile(event: object) -> None:
        """A run of another database does the same."""
        if isinstance(event, StepStarted) and event.object == NAME:
            client.command(f"DROP NAMED COLLECTION {NAME}")

    policy = Policy.lossless().allow(f"drop-collection {NAME}")
    assert ensure_schema(client, schema(2), policy=policy, on_event=meanwhile).in_sync
    assert keys(client) == []


def test_what_the_server_says_of_a_value_is_hidden(client: Client) -> None:
    wrong = NamedCollection(NAME, {"url": "https://hu.s3.amazonaws.com/hushhush.csv", "format": "CSV"})
    with pytest.raises(ApplyError, match=r"Bucket name length is out of bounds .*\[HIDDEN\]") as caught:
        ensure_schema(client, schema(1, OUTSIDE, wrong))
    shown = "".join(traceback.format_exception(caught.value))
    assert "hushhush" not in shown.replace("wrong = ", "")
    assert "step outside:create" in shown


def test_a_piece_of_a_value_that_the_server_shows_is_hidden(client: Client) -> None:
    """Of a statement that it cannot read, a server shows the next 160 characters: values end in the middle."""
    long = NamedCollection(NAME, {"url": "hush" * 70_000})
    with pytest.raises(ApplyError, match=r"Max query size exceeded .*position \d+ \[HIDDEN\]") as caught:
        ensure_schema(client, schema(1, long))
    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert "hush" not in repr(_locals(caught.value))
    cut = without_secrets(f"failed: CREATE NAMED COLLECTION {NAME} AS url = 'hush")
    assert cut.endswith("AS url = '[HIDDEN]'")
    wrong = NamedCollection(NAME, {"url": "hush-hush://x/y.csv", "format": "CSV"})
    with pytest.raises(ApplyError, match=r"Unknown protocol in the URL: \[HIDDEN\]"):
        ensure_schema(client, schema(1, OUTSIDE, wrong))


def _locals(error: BaseException) -> list[dict[str, object]]:
    """What collectors of errors send, of the frames of this library."""
    found: list[dict[str, object]] = []
    shown: BaseException | None = error
    while shown is not None:
        frames = traceback.walk_tb(shown.__traceback__)
        found += [frame.f_locals for frame, _ in frames if frame.f_code.co_filename != __file__]
        shown = shown.__cause__
    return found


def test_reflect_writes_those_that_are_named(client: Client, tmp_path: Path) -> None:
    ensure_schema(client, schema(1, OUTSIDE, collection()))
    client.command(
        f"CREATE DICTIONARY far (a UInt64, b String) PRIMARY KEY a SOURCE(HTTP(NAME {NAME} FORMAT 'CSV')) "
        "LIFETIME(0) LAYOUT(FLAT())"
    )
    try:
        found = reflect_schema(client)
        (read,) = found.named_collections
        assert (read.name, read.keys["url"]) == (NAME, f"${{{NAME.upper()}_URL}}")
        assert read.not_overridable == ["secret_access_key"]
        path = tmp_path / "schema.sql"
        path.write_text(sql_file(found))
        assert "hush" not in path.read_text()
        assert plan_schema(client, Schema.from_sql(path, name="other")).steps == ()
        assert reflect_schema(client, only=["t"]).named_collections == ()
        assert reflect_schema(client, only=["far"]).named_collections == (read,)
    finally:
        client.command("DROP DICTIONARY far SYNC")


def test_each_value_has_a_variable_of_its_own_where_it_is_reflected(client: Client) -> None:
    """Two keys of one collection, and two collections, that only differ in what no variable's name may hold."""
    more = {f"{NAME} x": "other", f"{NAME}_x": "outside"}
    try:
        for name, table in more.items():
            client.command(f"CREATE NAMED COLLECTION `{name}` AS url = '{URL}', format = 'CSV', `f g` = 'x', f_g = 'y'")
            client.command(
                f"CREATE DICTIONARY {table} (a UInt64) PRIMARY KEY a SOURCE(HTTP(NAME `{name}`)) LIFETIME(0) LAYOUT(FLAT())"
            )
        found = reflect_schema(client)
    finally:
        for name, table in more.items():
            client.command(f"DROP DICTIONARY IF EXISTS {table} SYNC")
            client.command(f"DROP NAMED COLLECTION IF EXISTS `{name}`")
    variables = [str(value) for item in found.named_collections for value in item.keys.values()]
    assert len(found.named_collections) == 2
    assert len(set(variables)) == len(variables) == 8
    assert {f"${{{NAME.upper()}_X_F_G}}", f"${{{NAME.upper()}_X_F_G_4}}"} <= set(variables)


def test_a_collection_that_is_called_like_a_table_is_told_as_not_declared(client: Client) -> None:
    client.command(f"CREATE NAMED COLLECTION {NAME} AS url = '{URL}', format = 'CSV'")
    client.command(f"CREATE TABLE {NAME} (a UInt64) ENGINE = S3({NAME})")
    found = reflect_schema(client)
    assert [item.name for item in found.objects] == [NAME]
    assert list(found.unsupported) == [f"named collection {NAME}"]
    client.command(f"DROP TABLE {NAME} SYNC")


def test_what_the_server_says_is_told_without_values(client: Client) -> None:
    client.command(f"CREATE NAMED COLLECTION {NAME} AS url = 'x'")
    found: dict[str, object] = {}

    def unseen(routine: Routine[object]) -> None:
        """What a user without the right to see it plans: the CREATE is refused by the server."""
        effect = next(routine)
        while True:
            assert isinstance(effect, Query)
            rows = () if "named_collections" in effect.sql else ((0,),)
            try:
                effect = routine.send(rows)
            except StopIteration as stop:
                found["planned"] = stop.value
                return

    unseen(plan_collections(schema(1, collection()), (), ()))
    (step,) = found["planned"].steps  # type: ignore[attr-defined]
    assert step.blocked.startswith(f"this user may not see it: GRANT SHOW NAMED COLLECTIONS ON `{NAME}`")
    sent = "CREATE NAMED COLLECTION c AS a = 'hush', b = hush, `c d` = 'hu''sh' OVERRIDABLE"
    assert without_secrets(sent) == (
        "CREATE NAMED COLLECTION c AS a = '[HIDDEN]', b = '[HIDDEN]', `c d` = '[HIDDEN]' OVERRIDABLE"
    )


def test_one_of_the_configuration_is_left_to_it() -> None:
    def answered(flags: str, *wanted: NamedCollection) -> list[str]:
        routine = plan_collections(Schema("s", objects=list(wanted)), (), ())
        next(routine)
        with pytest.raises(StopIteration) as stop:
            routine.send(((NAME, '["url"]', "CONFIG", flags),))
        return [step.blocked for step in stop.value.value.steps]

    shown = f"CREATE NAMED COLLECTION {NAME} AS url = ''"
    assert answered(shown, NamedCollection(NAME, {"url": "x"})) == []
    (blocked,) = answered(shown, NamedCollection(NAME, {"url": "x", "format": "CSV"}))
    assert blocked.startswith("it stands in the configuration of the server")


def test_an_older_release_shows_no_flags() -> None:
    routine = read_collections([NAME])
    next(routine)
    with pytest.raises(StopIteration) as stop:
        routine.send(((NAME, '["url"]'),))
    (live,) = stop.value.value.values()
    assert (live.configured, live.shows_flags, [key.name for key in live.form.collection_keys]) == (
        False,
        False,
        ["url"],
    )


def test_lock_file_check_revision_and_adopt(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    project = Project(tmp_path)

    def declared(version: int, *objects: NamedCollection | Table) -> Schema:
        return Schema("s", version=version, objects=[TABLE, *objects], migrations=project.package)

    try:
        revise(declared(1, collection(), OUTSIDE), "first")
        lock = (project.folder / "schema.lock.json").read_text()
        assert "hush" not in lock
        form = json.loads(lock)["versions"]["1"]["objects"][NAME]["form"]
        assert form["collection_keys"][2] == {"name": "secret_access_key", "overridable": "NOT OVERRIDABLE"}
        assert check_schema(declared(1, collection(), OUTSIDE)).problems == ()
        with pytest.raises(SpecError, match="Unexpected key `nosuch`"):
            revise(declared(2, collection(nosuch="1"), OUTSIDE), "second")
        with pytest.raises(SpecError, match=r"Unknown format \[HIDDEN\]") as caught:
            revise(declared(2, collection(format="HushHush"), OUTSIDE), "second")
        assert "HushHush" not in repr(_locals(caught.value))
        client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        with pytest.raises(DoesNotFitError, match=f"{NAME}: named collection is missing"):
            adopt_schema(client, declared(1, collection(), OUTSIDE), 1)
        assert schema_until(declared(1, collection(), OUTSIDE), 1).named_collections[0].keys["url"] == URL
        changed = revise(declared(2, collection(no_sign_request="0"), OUTSIDE), "second")
        assert changed.changes == (f"{NAME}: key no_sign_request is new",)
        with pytest.raises(UndecidedError, match=f"--drop {NAME}"):
            revise(declared(3), "third", drops=["outside"])
        with pytest.raises(UsageError, match=f"a named collection is not renamed: .* --drop {NAME} drops the old"):
            revise(declared(3, NamedCollection("c", {"a": "1"})), "third", renames={NAME: "c"}, drops=["outside"])
        revise(declared(3), "third", drops=["outside", NAME])
        assert f"-- allow: drop-collection {NAME}" in (project.folder / "0003_third.sql").read_text()
    finally:
        project.forget()
