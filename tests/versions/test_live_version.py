"""The way from the version of a database to the declared one."""

from __future__ import annotations

from aaiclick import Column, MergeTree, Migration, Schema, Table
from aaiclick.versions.history import read_history
from aaiclick.versions.live_version import LiveVersion, MigrationProgress
from aaiclick.versions.upgrade_path import upgrade_path


def test_a_date_as_version_leads_over_what_has_something_to_say() -> None:
    # Between the two first there are 2 billion numbers: what walks through them never ends.
    scripts = [
        Migration(version=20260102, renames={"old_events.a": "b"}),
        Migration(version=20260103, renames={"old_events": "events"}),
        Migration(version=2026010100, renames={"events.b": "c"}),
    ]
    table = Table("events", [Column("c", "UInt64")], engine=MergeTree(order_by=[]))
    schema = Schema("app", version=2026010200, objects=[table], migrations=scripts)
    live = LiveVersion(20260101, "recorded")
    assert (live.label, LiveVersion(0, "empty").label) == ("v20260101", "v0 (empty)")
    path = upgrade_path(schema, read_history(schema), live, "", MigrationProgress())
    assert [(change.version, change.before, dict(change.renames)) for change in path.changes_of("events")] == [
        (20260102, "old_events", {"a": "b"}),
        (20260103, "old_events", {}),
        (2026010099, "events", {}),  # what lies between: a version of which nothing is known
        (2026010100, "events", {"b": "c"}),
        (2026010199, "events", {}),
        (2026010200, "events", {}),
    ]
