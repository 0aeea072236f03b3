"""Hosts of a cluster that a statement goes to by itself."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.errors import UsageError


@dataclass(frozen=True, slots=True)
class Peer:
    """Another host of the cluster, by the address at which its HTTP interface answers."""

    name: str
    """Name or address of the host."""
    http: int = 0
    """The port without TLS; 0 where it has none."""
    https: int = 0
    """The port with TLS; 0 where it has none."""


def require_peers(at: Peer | None, connection: object) -> None:
    """Raises UsageError where a statement is for another host, and this connection leads to one only: it must never
    reach the wrong one."""
    if at is not None and not getattr(connection, "reaches_peers", False):
        raise UsageError(
            f"a statement has to go to host {at.name} by itself, and this connection leads to one host only: give the "
            "address of a host as a URL (clickhouse://user:password@host:8123/database) in place of a client"
        )
