"""A cluster in the middle of an upgrade: one host runs another release of the engine."""

from __future__ import annotations

import pytest

from aaiclick.errors import ApplyError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, is_whole, regrained, rekeyed, table
from tests.cluster.places import Place, events
from tests.cluster.rig.engines import OTHER


@pytest.mark.long
def test_definitions_are_changed_and_copies_refused(aaiclick_cluster: ClusterFactory) -> None:
    """Through either host. A copy is refused before anything is changed, and names both releases."""
    cluster = aaiclick_cluster(1, 2, releases={2: OTHER})
    place = Place(cluster, cluster.atomic_database(), "{cluster}")
    place.start(rekeyed(1, place))
    fill(place, 20)
    releases = ", ".join(sorted(host.one("SELECT version()") for host in cluster.hosts))
    shown = place.shows()
    for schema, host in ((rekeyed(2, place), 0), (regrained(2, place), 1)):
        with pytest.raises(ApplyError, match=rf"its hosts run different releases \({releases}\)"):
            place.start(schema, host, DROPPED)
        assert place.shows() == shown
    is_whole(place, 120)
    place.settle(place.schema(2, [table(("id",)), events().model_copy(update={"name": "others"})]), host=1)
