"""Reading and writing the memory of this process, where the engine's library lies in it."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PAGE = 4096
_READ_EXECUTE, _READ_WRITE_EXECUTE = 5, 7
_SHORT_TEXT = 22
_libc = ctypes.CDLL(None, use_errno=True)


class Image:
    """A library that is loaded; addresses are counted from its start."""

    def __init__(self, library: str) -> None:
        name = Path(library).name
        maps = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
        self.base = next(
            int(line[0].split("-")[0], 16) for line in maps if line[-1].endswith(name) and int(line[2], 16) == 0
        )

    def read(self, address: int, size: int) -> bytes:
        return ctypes.string_at(self.base + address, size)

    def read_pointer(self, address: int) -> int:
        return read_pointer(self.base + address)

    def write(self, address: int, data: bytes) -> None:
        """Into a variable."""
        ctypes.memmove(self.base + address, data, len(data))

    def write_code(self, address: int, code: bytes) -> bytes:
        """Over instructions; gives what stood there."""
        place = self.base + address
        page = place - place % _PAGE
        size = -(-(place + len(code) - page) // _PAGE) * _PAGE
        before = self.read(address, len(code))
        self._protect(page, size, _READ_WRITE_EXECUTE)
        ctypes.memmove(place, code, len(code))
        self._protect(page, size, _READ_EXECUTE)
        return before

    def call(self, address: int, *arguments: int | None, takes: Sequence[Any] = (), gives: Any = None) -> Any:
        """Call the function there; arguments are pointers unless ``takes`` says otherwise."""
        kinds = takes or [ctypes.c_void_p] * len(arguments)
        return ctypes.CFUNCTYPE(gives, *kinds)(self.base + address)(*arguments)

    @staticmethod
    def _protect(page: int, size: int, how: int) -> None:
        if _libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(size), how):
            raise OSError(ctypes.get_errno(), "mprotect")


class Kept:
    """Memory that the engine goes on to use: it lives as long as this object."""

    def __init__(self) -> None:
        self._buffers: list[Any] = []

    def zeroes(self, size: int) -> int:
        """The address of so many zero bytes."""
        return self._keep(ctypes.create_string_buffer(size))

    def text(self, value: str) -> int:
        """The address of a std::string (libc++)."""
        data = value.encode()
        if len(data) <= _SHORT_TEXT:
            return self._keep(ctypes.create_string_buffer(short_text(value), 24))
        held = self._keep(ctypes.create_string_buffer(data))
        # Its pointer, its length, and its capacity with the bit that tells a long one.
        return self._keep(
            ctypes.create_string_buffer(struct.pack("<QQQ", held, len(data), (len(data) + 1) | 1 << 63), 24)
        )

    def _keep(self, buffer: Any) -> int:
        self._buffers.append(buffer)
        return ctypes.addressof(buffer)


def short_text(value: str) -> bytes:
    """The 24 bytes of a std::string (libc++) that holds its text in itself."""
    data = value.encode()
    assert len(data) <= _SHORT_TEXT, value
    return data.ljust(23, b"\0") + bytes([len(data)])


def read_pointer(place: int) -> int:
    return ctypes.c_uint64.from_address(place).value


def write_pointer(place: int, value: int) -> None:
    ctypes.c_uint64.from_address(place).value = value
