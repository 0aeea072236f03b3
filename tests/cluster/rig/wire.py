"""As much of ZooKeeper's protocol as makes one node: the root under which a cluster keeps everything has to be there
before the first host connects."""

from __future__ import annotations

import socket
import struct

_CREATE, _CLOSE = 1, -11
_ALREADY_THERE = -110
_EVERYBODY = struct.pack(">ii", 1, 31) + b"\0\0\0\5world" + b"\0\0\0\6anyone"


def create_node(port: int, path: str, timeout: float = 10) -> None:
    """Make an empty node that everybody may use, unless it is there; its parent has to be there."""
    name = path.encode()
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        # Protocol 0, nothing seen yet, 10 s of session, no session to go on with, an empty password of 16 bytes.
        _send(connection, struct.pack(">iqiqi16s", 0, 0, 10_000, 0, 16, b""))
        _receive(connection)
        body = struct.pack(">i", len(name)) + name + struct.pack(">i", 0) + _EVERYBODY + struct.pack(">i", 0)
        _send(connection, struct.pack(">ii", 1, _CREATE) + body)
        (error,) = struct.unpack_from(">i", _receive(connection), 12)
        _send(connection, struct.pack(">ii", 2, _CLOSE))
    if error not in (0, _ALREADY_THERE):
        raise RuntimeError(f"ZooKeeper did not make {path}: error {error}")


def ask(port: int, word: str, timeout: float = 1) -> str:
    """The answer to one of the four-letter words (``srvr``)."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(word.encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def _send(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(struct.pack(">i", len(frame)) + frame)


def _receive(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise RuntimeError("ZooKeeper closed the connection")
        found += more
    return found
