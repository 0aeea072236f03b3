"""Settings in the profile of the user on another host: what a plan asks that host is about its rows as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Policy, ReplacingMergeTree, Schema, Table, rollback_schema
from aaiclick.errors import AaiclickError, ApplyError, BlockedError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, is_whole, paired, turned
from tests.cluster.places import Place, killed_at_exchange, place_on
from tests.cluster.rig.local import LocalNode

CUT_OFF = (
    r"profile of this user sets limit, offset or a bound for the rows of an answer on (host \S+:\d+|another host), which "
    "cuts off what is asked of several hosts. Nothing was changed"
)
_OURS = re.compile("<!-- of a test -->.*?<!-- /of a test -->", re.DOTALL)


@pytest.fixture
def place(aaiclick_cluster: ClusterFactory) -> Iterator[Place]:
    place = place_on(aaiclick_cluster, (2, 1, "queue"))
    yield place
    for number in (0, 1):
        with_profile(place, "", number)


def with_profile(place: Place, settings: str, number: int = 1) -> None:
    """A host begins anew with these settings in its profile."""
    other = place.cluster.hosts[number]
    if not isinstance(other, LocalNode):
        pytest.skip("the profile of a host that is given is not changed")
    users = other.directory / "users.xml"
    text = _OURS.sub("", users.read_text())
    added = f"<!-- of a test -->{settings}<!-- /of a test -->" if settings else ""
    users.write_text(text.replace("<profiles><default>", f"<profiles><default>{added}"))
    other.restart()


def events(place: Place, version: int, v: str) -> Schema:
    engine = ReplacingMergeTree(order_by=["id"], replicated="")
    return place.schema(version, [Table("events", [Column("id", "UInt64"), Column("v", v)], engine=engine)])


@pytest.mark.parametrize("setting", ["final", "apply_patch_parts", "limit", "offset", "max_result_rows"])
def test_a_row_that_the_profile_of_another_host_would_hide_blocks(place: Place, setting: str) -> None:
    """Another row of its key, which FINAL shows in its place; a value that a patch part holds."""
    place.start(events(place, 1, "UInt32"))
    name, (one, two) = f"{place.database}.events", place.cluster.hosts
    for host in (one, two):
        host.q(f"ALTER TABLE {name} MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1")
        host.q(f"SYSTEM STOP MERGES {name}")
        host.q(f"INSERT INTO {name} VALUES (1, 1)")
    if setting == "apply_patch_parts":
        two.q(f"UPDATE {name} SET v = 70000 WHERE id = 1", enable_lightweight_update=1)
    else:
        two.q(f"INSERT INTO {name} VALUES (1, 70000)")
        two.q(f"INSERT INTO {name} VALUES (1, 2)")
    with_profile(place, f"<{setting}>{0 if setting == 'apply_patch_parts' else 1}</{setting}>")
    two.q(f"SYSTEM STOP MERGES {name}")
    if setting in ("limit", "offset", "max_result_rows"):
        with pytest.raises(AaiclickError, match=CUT_OFF):
            place.start(events(place, 2, "UInt16"), 0, DROPPED)
    else:
        with pytest.raises(BlockedError, match=r"1 row holds a value of v .*70000"):
            place.start(events(place, 2, "UInt16"), 0, DROPPED)


@pytest.mark.slow
def test_a_copy_where_another_host_gives_no_zero_for_an_empty_sum(place: Place) -> None:
    """It then answers ``sum``, ``min`` and ``max`` in another type, and a question that has one fails."""
    place.start(turned(1, place))
    fill(place, 20)
    with_profile(place, "<aggregate_functions_null_for_empty>1</aggregate_functions_null_for_empty>")
    place.start(turned(2, place))
    rollback_schema(place.cluster.hosts[0].database_url(place.database), turned(2, place), 1)
    assert [host.one(f"SELECT count() FROM {place.database}.events") for host in place.cluster.hosts] == [60, 60]


@pytest.mark.slow
def test_a_limit_of_all_hosts_is_named_before_a_rollback_and_before_a_copy_is_gone_on_with(place: Place) -> None:
    """No plan is made then, which would ask all hosts for the sizes of tables."""
    place.start(turned(1, place))
    fill(place, 20)
    place.start(turned(2, place))
    url = place.cluster.hosts[0].database_url(place.database)
    for number in (0, 1):
        with_profile(place, "<limit>1</limit><max_result_rows>50000</max_result_rows>", number)
    with pytest.raises(AaiclickError, match=CUT_OFF):
        rollback_schema(url, turned(2, place), 1)
    for number in (0, 1):
        with_profile(place, "", number)
    assert killed_at_exchange(place, turned(3, place), 2, DROPPED)
    with_profile(place, "<limit>1</limit>")
    with pytest.raises(AaiclickError, match=CUT_OFF):
        place.start(turned(3, place), 0, DROPPED)
    with_profile(place, "")
    place.start(turned(3, place), 0, DROPPED)
    is_whole(place, 120, None)


@pytest.mark.slow
def test_files_that_such_a_host_has_set_aside_as_broken_are_named(place: Place) -> None:
    """Their rows are nowhere else, and after the change the server would refuse them for ever."""
    columns = [Column("id", "UInt64"), Column("v", "UInt32"), Column("note", "String")]
    keyed = MergeTree(order_by=["id"], replicated="")
    place.start(paired(place, 1, Table("events", columns, engine=keyed)))
    name, other = f"{place.database}.events_all", place.cluster.hosts[1]
    with_profile(place, "<aggregate_functions_null_for_empty>1</aggregate_functions_null_for_empty>")
    other.q(f"SYSTEM STOP DISTRIBUTED SENDS {name}")
    other.q(
        f"INSERT INTO {name} SELECT number, 1, '' FROM numbers(10)",
        distributed_foreground_insert=0,
        prefer_localhost_replica=0,
    )
    waiting = other.one(f"SELECT any(data_path) FROM system.distribution_queue WHERE table = '{name.split('.')[1]}'")
    for file in Path(str(waiting)).glob("*.bin"):
        file.write_bytes(file.read_bytes()[:-9])
    wanted = paired(place, 2, Table("events", columns[:2], engine=keyed))
    allowed = Policy.lossless().allow("drop-column events.note").allow("drop-column events_all.note")
    with pytest.raises(ApplyError) as raised:
        place.start(wanted, 0, allowed)
    assert re.search(
        r"events: host \S+:\d+ has set 1 file of \S+events_all\S+ aside as broken, .* Nothing", str(raised.value)
    )
    assert other.one(f"SELECT count() FROM system.columns WHERE database = '{place.database}' AND name = 'note'") == 2


def test_the_profile_of_the_host_that_is_connected_to_cuts_nothing_off(place: Place) -> None:
    place.start(events(place, 1, "UInt32"))
    with_profile(place, "<limit>1</limit><final>1</final>", 0)
    place.start(events(place, 2, "UInt64"), 0, DROPPED)


def test_an_offset_of_the_host_that_is_connected_to_is_named(place: Place) -> None:
    """The driver's own first question has no answer then, and nothing can be sent with it."""
    place.start(events(place, 1, "UInt32"))
    with_profile(place, "<offset>1</offset>", 0)
    with pytest.raises(AaiclickError, match=r"profile of '\w+' may set limit or offset, .* take them out of it"):
        place.start(events(place, 2, "UInt64"), 0, DROPPED)
