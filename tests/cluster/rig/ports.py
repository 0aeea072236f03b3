"""Free ports on the loopback that no other test process takes meanwhile."""

from __future__ import annotations

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below the ports that the kernel hands out by itself (32768 and up): none of them is taken by an outgoing connection
while a node is away."""
_claims: dict[int, socket.socket] = {}


def claim_port() -> int:
    """A port that is free and stays claimed until this process ends.

    The claim is an abstract socket: all processes of the machine see it, and it is gone with its process, however that
    ends. A bound TCP port would not do, as the port has to be free between two starts of a node.
    """
    for port in random.sample(range(FIRST, LAST), LAST - FIRST):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0aaiclick-test-port-{port}")
        except OSError:
            claim.close()
            continue
        if not _is_free(port):
            claim.close()
            continue
        _claims[port] = claim
        return port
    raise RuntimeError(f"no port between {FIRST} and {LAST} is free")


def release_port(port: int) -> None:
    """Somebody else may have it."""
    claim = _claims.pop(port, None)
    if claim is not None:
        claim.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
