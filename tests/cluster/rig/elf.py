"""An x86-64 ELF library as ``locate.py`` reads it: texts, functions, and what refers to what. Needs numpy."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

_LOAD, _DYNAMIC, _UNWIND = 1, 2, 0x6474E550
_READ, _EXECUTE = 4, 1
_RELOCATIONS, _RELOCATIONS_SIZE = 7, 8
_CHUNK = 1 << 24

Longs = npt.NDArray[np.int64]


class Library:
    """All addresses are virtual ones, counted from where the library is loaded."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._image = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        (table,), (count,) = struct.unpack_from("<Q", self._image, 32), struct.unpack_from("<H", self._image, 56)
        headers: list[tuple[int, ...]] = [
            struct.unpack_from("<IIQQQQ", self._image, table + 56 * entry) for entry in range(count)
        ]
        loaded = [header for header in headers if header[0] == _LOAD]
        # Of each: where it is loaded, where it stands in the file, how long it is there.
        self._segments: list[tuple[int, int, int]] = [
            (address, offset, size) for _, _, offset, address, _, size in loaded
        ]
        self._code: tuple[int, int] = next(
            (address, size) for _, flags, _, address, _, size in loaded if flags & _EXECUTE
        )
        self._constants = next((address, size) for _, flags, _, address, _, size in loaded if flags == _READ)
        self._starts = self._function_starts(next(header for header in headers if header[0] == _UNWIND))
        self._relocated, self._pointers = self._relocations(next(header for header in headers if header[0] == _DYNAMIC))

    def read(self, address: int, size: int) -> bytes:
        offset = self._offset(address)
        return self._image[offset : offset + size]

    def function(self, address: int) -> tuple[int, int]:
        """Where the function that holds this address begins and ends."""
        index = int(np.searchsorted(self._starts, address, side="right"))
        return int(self._starts[index - 1]), int(self._starts[index])

    def code(self, function: tuple[int, int]) -> bytes:
        begins, ends = function
        return self.read(begins, ends - begins)

    def is_code(self, address: int) -> bool:
        begins, size = self._code
        return begins <= address < begins + size

    def find_text(self, text: bytes) -> list[int]:
        """Where these bytes stand among the constants."""
        return list(self._occurrences(text, *self._constants))

    def find_code(self, code: bytes) -> list[int]:
        """Where these bytes stand among the instructions."""
        return list(self._occurrences(code, *self._code))

    def relative(self, place: int) -> int:
        """What the four bytes at this place point to, counted from behind them."""
        return place + 4 + int(struct.unpack("<i", self.read(place, 4))[0])

    def references(self, targets: Collection[int]) -> dict[int, list[int]]:
        """For each target the places in the code whose four bytes point to it."""
        found: dict[int, list[int]] = {target: [] for target in targets}
        wanted = np.array(sorted(targets), dtype=np.int64)
        begins, size = self._code
        for chunk in range(0, size, _CHUNK):
            length = min(_CHUNK + 3, size - chunk)
            for shift in range(4):
                first = begins + chunk + shift
                words = np.frombuffer(self._image, "<i4", (length - shift) // 4, self._offset(first)).astype(np.int64)
                places = np.arange(len(words), dtype=np.int64) * 4 + first
                ends = places + 4 + words
                nearest = np.minimum(np.searchsorted(wanted, ends), len(wanted) - 1)
                for index in np.nonzero(wanted[nearest] == ends)[0]:
                    found[int(ends[index])].append(int(places[index]))
        return found

    def pointer(self, address: int) -> int:
        """What the loader writes at this address."""
        return int(self._pointers[np.nonzero(self._relocated == address)[0][0]])

    def virtual_tables(self, type_name: bytes) -> list[int]:
        """The virtual tables of a class, by the name that its type information holds."""
        return sorted(
            table + 8
            for name in self.find_text(type_name + b"\0")
            for place in self._pointing_to(name)
            for table in self._pointing_to(place - 8)
        )

    def _pointing_to(self, target: int) -> list[int]:
        return [int(place) for place in self._relocated[self._pointers == target]]

    def _occurrences(self, wanted: bytes, begins: int, size: int) -> Iterator[int]:
        offset = self._offset(begins)
        place = self._image.find(wanted, offset, offset + size)
        while place >= 0:
            yield place - offset + begins
            place = self._image.find(wanted, place + 1, offset + size)

    def _offset(self, address: int) -> int:
        return next(
            address - start + offset for start, offset, size in self._segments if start <= address < start + size
        )

    def _function_starts(self, header: tuple[int, ...]) -> Longs:
        """From the table that the unwinder searches: pairs of start and description, sorted, from the table's place."""
        _, _, offset, address, _, _ = header
        (count,) = struct.unpack_from("<I", self._image, offset + 8)
        pairs = np.frombuffer(self._image, "<i4", count * 2, offset + 12).reshape(-1, 2)
        return pairs[:, 0].astype(np.int64) + address

    def _relocations(self, header: tuple[int, ...]) -> tuple[Longs, Longs]:
        _, _, offset, _, _, size = header
        dynamic = dict(struct.iter_unpack("<qQ", self._image[offset : offset + size // 16 * 16]))
        begins, count = self._offset(dynamic[_RELOCATIONS]), dynamic[_RELOCATIONS_SIZE] // 8
        table = np.frombuffer(self._image, "<i8", count, begins).reshape(-1, 3)
        return table[:, 0], table[:, 2]
