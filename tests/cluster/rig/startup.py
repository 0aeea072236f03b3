"""The steps of a server's start-up that the embedded engine leaves out, on the running engine: server UUID, the address
for other replicas, ON CLUSTER, system.zookeeper, and the native, HTTP and interserver listeners.

All that replicates, queues and distributes is the engine's own; it only is never begun there. In this order:
``prepare`` before the first connection, a Replicated table (which shows the contexts), then ``start_ddl_worker`` and
``listen``.
"""

from __future__ import annotations

import ctypes
import re
import struct
import uuid
from collections.abc import Callable

from tests.cluster.rig.addresses import Addresses
from tests.cluster.rig.config import HOST, QUEUE
from tests.cluster.rig.memory import Image, Kept, read_pointer, short_text, write_pointer

_RETURN_TRUE = b"\xb0\x01\xc3"
_STAND_IN_SIZE = 0x4000
_CONTEXT_SIZE = 0x1800


class ServerStartup:
    """One engine, in this process."""

    def __init__(self, library: str, addresses: Addresses) -> None:
        self._library = library
        self._at = addresses
        self._image = Image(library)
        self._kept = Kept()
        self._seen = self._kept.zeroes(16)
        """Two pointers, written by the interserver address function: what all contexts share, and the global one."""

    @property
    def contexts_are_known(self) -> bool:
        """True once a Replicated table asked for this node's address."""
        return read_pointer(self._seen + 8) != 0

    def prepare(self, name: str, interserver_port: int) -> None:
        """Before the engine is opened. ``name`` makes the server's UUID: the same after a restart."""
        at, image = self._at, self._image
        number = uuid.uuid5(uuid.NAMESPACE_URL, name).int
        image.write(at.server_uuid, struct.pack("<QQ", number >> 64, number & (1 << 64) - 1))
        code = self._interserver_address(interserver_port)
        assert len(code) <= at.interserver_address_size
        image.write_code(at.interserver_address, code)
        image.write_code(at.replicated_ddl_enabled, _RETURN_TRUE)
        image.write_code(at.attach_system_tables_flag, b"\x41\xb4\x01")  # mov r12b, 1: system.zookeeper is made, too
        pool = image.call(at.create_tables_pool, gives=ctypes.c_void_p)
        sizes = [ctypes.c_size_t] * 3
        image.call(at.pool_initialize, pool, 4, 0, 4, takes=[ctypes.c_void_p, *sizes])

    def start_ddl_worker(self) -> None:
        """The thread that carries out what ON CLUSTER sends to this host."""
        at, image, text = self._at, self._image, self._kept.text
        context, counter = self._context()
        # The engine gets a shared pointer: one owner more.
        write_pointer(counter + 8, read_pointer(counter + 8) + 1)
        worker = self._new(self._ddl_worker_size())
        one_thread = 1
        image.call(
            at.ddl_worker_create, worker, one_thread, text(QUEUE), text(QUEUE.replace("/ddl", "/replicas")),
            context, counter, None, text("distributed_ddl"), text("default"), text("DDLWorker"), None, None,
            takes=[ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 10],
        )  # fmt: skip
        image.call(at.ddl_worker_start, worker)
        write_pointer(read_pointer(self._seen) + at.shared_ddl_worker, worker)

    def listen(self, run: Callable[[str], object]) -> None:
        """Open the ports of the configuration. ``run`` carries out a statement."""
        at, image = self._at, self._image
        self._route()
        run("SYSTEM START LISTEN TCP")
        run("SYSTEM START LISTEN HTTP")
        # The engine opens no interserver port. It is an HTTP port with another handler, so the same code opens it while
        # it reads the other port's name, takes the other handler, and does not look for a listener called http_port.
        undo: list[tuple[int, bytes]] = []

        def write(address: int, code: bytes) -> None:
            undo.append((address, image.write_code(address, code)))

        for load in at.http_port_loads:
            write(load, image.read(load, 3) + struct.pack("<i", at.interserver_port_text - load - 7))
        write(at.handler_jump, b"\x0f\x84" + struct.pack("<i", at.interserver_handler - at.handler_jump - 6))
        jump = image.read(at.listener_check_jump, 6)
        # A conditional jump (two bytes and four, or one and one) becomes one that is always taken.
        write(at.listener_check_jump, b"\x90\xe9" + jump[2:] if jump[0] == 0x0F else b"\xeb" + jump[1:2])
        self._route()
        try:
            run("SYSTEM START LISTEN HTTP")
        finally:
            for address, code in undo:
                image.write_code(address, code)

    def _interserver_address(self, port: int) -> bytes:
        """A function in place of the engine's: it gives host and port, sets the scheme and empty credentials, and notes
        the contexts it is called with."""
        shared = self._at.shared_interserver_host
        code = b"\x4c\x8b\x06"  # mov r8, [rsi]: what all contexts share
        code += _into_rax(self._seen) + b"\x4c\x89\x00\x48\x89\x70\x08"  # mov [rax], r8; mov [rax+8], rsi
        for part, word in _words("http"):
            code += _into_rax(word) + b"\x49\x89\x80" + struct.pack("<I", shared + 0x20 + part)  # mov [r8+n], rax
        code += _into_rax(self._credentials()) + b"\x49\x89\x80" + struct.pack("<I", shared + 0x60)
        for part, word in _words(HOST):
            code += _into_rax(word) + b"\x48\x89\x47" + bytes([part])  # mov [rdi+n], rax
        code += b"\x66\xc7\x47\x18" + struct.pack("<H", port)  # mov word [rdi+24], port
        return code + b"\x48\x89\xf8\xc3"  # mov rax, rdi; ret

    def _credentials(self) -> int:
        """An object that lists one user without name and password."""
        credentials, user = self._kept.zeroes(256), self._kept.zeroes(48)
        for offset, value in ((0x30, user), (0x38, user + 48), (0x40, user + 48)):
            write_pointer(credentials + offset, value)
        return credentials

    def _context(self) -> tuple[int, int]:
        """The global context, and the counter of its owners: an object that gives out itself holds both in a row."""
        context = read_pointer(self._seen + 8)
        words = (ctypes.c_uint64 * (_CONTEXT_SIZE // 8)).from_address(context)
        itself = next(place for place in range(len(words) - 1) if words[place] == context)
        return context, words[itself + 1]

    def _ddl_worker_size(self) -> int:
        """From its destructor, which says how much it gives back."""
        destructor = read_pointer(self._image.base + self._at.ddl_worker_table + 8)
        found = re.search(rb"\xbe(..\0\0)", ctypes.string_at(destructor, 0x20), re.DOTALL)
        assert found is not None
        size: int = struct.unpack("<I", found.group(1))[0]
        return size

    def _new(self, size: int) -> int:
        allocate = ctypes.CDLL(self._library)._Znwm
        allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        place: int = allocate(size)
        return place

    def _route(self) -> None:
        """SYSTEM START LISTEN goes to the function that opens listeners, with a stand-in for the server it belongs
        to."""
        at = self._at
        code = b"\x48\xbf" + struct.pack("<Q", self._stand_in())  # mov rdi, the stand-in
        code += _into_rax(self._image.base + at.start_servers) + b"\xff\xe0"  # jmp rax
        self._image.write_code(at.context_start_servers, code)

    def _stand_in(self) -> int:
        """As much of a server object as that function reads: the context, the configuration, the logger, the
        settings."""
        at, base = self._at, self._image.base
        embedded = self._image.read_pointer(at.embedded_instance)
        made = self._kept.zeroes(_STAND_IN_SIZE)
        context, counter = self._context()
        for offset, value in (
            (0, base + at.local_table),
            (at.local_context, context),
            (at.local_context + 8, counter),
            (at.local_application, base + at.local_application_table),
            (at.local_config, read_pointer(embedded + at.local_config - at.local_application)),
            (at.local_log, read_pointer(embedded + at.local_log - at.local_application)),
            (at.local_server, base + at.local_server_table),
            (at.local_server + 8, read_pointer(embedded + at.embedded_settings)),
        ):
            write_pointer(made + offset, value)
        return made


def _into_rax(word: int) -> bytes:
    return b"\x48\xb8" + struct.pack("<Q", word)


def _words(value: str) -> list[tuple[int, int]]:
    """The three words of a short std::string, each with its offset."""
    return list(zip((0, 8, 16), struct.unpack("<QQQ", short_text(value)), strict=True))
