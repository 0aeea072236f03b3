"""Find the addresses of a chdb build: ``python -m tests.cluster.rig.locate 26.9.0 [.../chdb/_chdb.abi3.so]``.

The library has no symbols. A function is found by a text that it refers to, a variable or an offset by the instruction
that reads it, a part of an object by the virtual tables that its destructor puts in. What is not found, or found twice
where it has to be one, ends the search with its name; a build whose addresses are wrong fails tests/cluster/test_rig.py.
"""

from __future__ import annotations

import re
import struct
import sys
from collections import Counter
from functools import cached_property
from pathlib import Path

from tests.cluster.rig.addresses import Addresses, build_id
from tests.cluster.rig.elf import Library
from tests.cluster.rig.engines import find_library

TEXTS = {
    "interserver_address": b"Parameter 'interserver_http(s)_port' required",
    "ddl_disabled": b"Replicated DDL queries are disabled\0",
    "create_tables_pool": b"CreateTablesThreadPool\0",
    "server_uuid": b"ServerUUID is not initialized",
    "no_ddl_worker": b"DDL background thread is not initialized",
    "ddl_worker": b"DDLWorker is configured to use multiple threads",
    "embedded": b"EmbeddedServer already initialized with path",
    "start_servers": b"Using port 0 (OS-assigned) with multiple",
    "context_start": b"Can't start servers because start_servers_callback",
    "handlers": b"InterserverIOHTTPHandler-factory",
    "system_tables": b"zookeeper_watches\0",
}
"""A text for each function that is looked for."""
_HTTP_PORT = b"\0http_port\0"
_POOL_INITIALIZE = bytes.fromhex("4883ec484889742410488954240848890c2448837f3000")
"""How the function begins: room for its three sizes, and a look whether it was called before."""


class NotFoundError(Exception):
    """This build is made in another way: the pattern of that name has to be looked at by hand."""


class Locator:
    """One library."""

    def __init__(self, path: Path) -> None:
        self._library = Library(path)
        self._texts = {name: self._library.find_text(text) for name, text in TEXTS.items()}
        self._http_ports = [place + 1 for place in self._library.find_text(_HTTP_PORT)]
        self._embedded_table = self._library.virtual_tables(b"N2DB14EmbeddedServerE")[0]
        places = [place for found in self._texts.values() for place in found]
        self._references = self._library.references([*places, *self._http_ports, self._embedded_table])

    def addresses(self, path: Path, release: str) -> Addresses:
        """All of them."""
        interserver = self._function("interserver_address")
        worker = self._function("ddl_worker")
        return Addresses(
            build_id=build_id(path),
            release=release,
            server_uuid=self._read_by("server_uuid", rb"\x48\x8b\x05(....)"),  # mov rax, [variable]
            interserver_address=interserver[0],
            interserver_address_size=interserver[1] - interserver[0],
            shared_interserver_host=self._shared_interserver_host(interserver),
            replicated_ddl_enabled=self._replicated_ddl_enabled(),
            attach_system_tables_flag=self._attach_system_tables_flag(),
            create_tables_pool=self._function("create_tables_pool")[0],
            pool_initialize=self._one("pool_initialize", self._library.find_code(_POOL_INITIALIZE)),
            ddl_worker_create=worker[0],
            ddl_worker_start=self._ddl_worker_start(worker),
            ddl_worker_table=self._read_by("ddl_worker", rb"\x48\x8d\x05(....)\x48\x89\x07"),  # into [rdi]
            shared_ddl_worker=self._number("no_ddl_worker", rb"\x4c\x8b\xb0(..\0\0)"),  # mov r14, [rax + n]
            embedded_instance=self._read_by("embedded", rb"\x48\x8b\x1d(....)\x48\x85\xdb"),
            embedded_settings=self._embedded_settings(),
            local_table=self._parts[0][1],
            local_context=self._server_part_offset(2),
            local_application=self._parts[1][0],
            local_application_table=self._parts[1][1],
            local_config=self._server_part_offset(0),
            local_log=self._server_part_offset(1),
            local_server=self._parts[-1][0],
            local_server_table=self._parts[-1][1],
            context_start_servers=self._function("context_start")[0],
            start_servers=self._function("start_servers")[0],
            http_port_loads=self._http_port_loads(),
            interserver_port_text=self._one("interserver_port", self._library.find_text(b"\0interserver_http_port\0"))
            + 1,
            listener_check_jump=self._listener_check_jump(),
            handler_jump=self._handler_jump(),
            interserver_handler=self._interserver_handler(),
        )

    def _function(self, name: str) -> tuple[int, int]:
        """The function that refers to the text of that name: the first of several."""
        found = [place for text in self._texts[name] for place in self._references[text]]
        if not found:
            raise NotFoundError(name)
        return self._library.function(found[0])

    def _match(self, name: str, pattern: bytes, begins: int, ends: int) -> re.Match[bytes]:
        found = re.search(pattern, self._library.read(begins, ends - begins), re.DOTALL)
        if found is None:
            raise NotFoundError(f"{name}: {pattern!r}")
        return found

    def _one(self, name: str, found: list[int]) -> int:
        if len(set(found)) != 1:
            raise NotFoundError(f"{name}: {len(found)} places")
        return found[0]

    def _read_by(self, name: str, pattern: bytes) -> int:
        """The address that the instruction of this pattern reads, relative to its end."""
        begins, ends = self._function(name)
        return self._library.relative(begins + self._match(name, pattern, begins, ends).start(1))

    def _number(self, name: str, pattern: bytes) -> int:
        return _unsigned(self._match(name, pattern, *self._function(name)).group(1))

    def _shared_interserver_host(self, function: tuple[int, int]) -> int:
        # movsx rax, byte [host + 23]: the length of a short string is in its last byte.
        return _unsigned(self._match("host", rb"\x0f\xbe.(..\0\0)", *function).group(1)) - 23

    def _replicated_ddl_enabled(self) -> int:
        """Called before the text, and tested: a function that does no more than read one byte of an object."""
        found: list[int] = []
        for text in self._texts["ddl_disabled"]:
            for place in self._references[text]:
                begins, _ = function = self._library.function(place)
                for call in re.finditer(rb"\xe8(....)\x84\xc0", self._library.code(function), re.DOTALL):
                    called = self._library.relative(begins + call.start(1))
                    getter = rb"\x0f\xb6\x87..\0\0\xc3"
                    if self._library.is_code(called) and re.match(getter, self._library.read(called, 8), re.DOTALL):
                        found.append(called)
        return self._one("replicated_ddl_enabled", found)

    def _attach_system_tables_flag(self) -> int:
        """In the function that makes the system tables: mov r12d, ecx, of its fourth argument."""
        makers = [
            self._library.function(place)[0]
            for text in self._texts["system_tables"]
            for place in self._references[text]
        ]
        if not makers:
            raise NotFoundError("system_tables")
        maker = Counter(makers).most_common(1)[0][0]
        return maker + self._match("attach_system_tables_flag", rb"\x41\x89\xcc", maker, maker + 0x20).start()

    def _ddl_worker_start(self, worker: tuple[int, int]) -> int:
        """It sets a flag of the object atomically, and stands behind the constructor."""
        found = self._match("ddl_worker_start", rb"\x31\xc0\x86\x87..\0\0", worker[1], worker[1] + 0x6000)
        return self._library.function(worker[1] + found.start())[0]

    def _embedded_settings(self) -> int:
        """The constructor makes them in place: lea r14, [rbx + n]; mov rdi, r14; call."""
        found = [
            _unsigned(match.group(1))
            for place in self._references[self._embedded_table]
            for match in re.finditer(
                rb"\x4c\x8d\xb3(..\0\0)\x4c\x89\xf7\xe8", self._library.code(self._library.function(place)), re.DOTALL
            )
        ]
        if not found:
            raise NotFoundError("embedded_settings")
        return found[0]

    @cached_property
    def _parts(self) -> list[tuple[int, int]]:
        """Offset and virtual table of each part of a local server, as its destructor puts them in."""
        destructor = self._library.pointer(self._library.virtual_tables(b"N2DB11LocalServerE")[0])
        puts = rb"\x48\x8d\x05(....)\x48\x89(?:\x07|\x87(....))"  # lea rax, [table]; mov [rdi + n], rax
        return [
            (_unsigned(put.group(2)) if put.group(2) else 0, self._library.relative(destructor + put.start(1)))
            for put in re.finditer(puts, self._library.read(destructor, 0x80), re.DOTALL)
        ]

    def _server_part_offset(self, function: int) -> int:
        """The functions of the server interface (config, logger, context) each begin with mov rax, [rdi - n]."""
        offset, table = self._parts[-1]
        begins = self._library.pointer(table + 8 * function)
        found = self._match(f"server interface {function}", rb"\A\x48\x8b\x87(....)", begins, begins + 8)
        return offset + int(struct.unpack("<i", found.group(1))[0])

    def _http_port_loads(self) -> tuple[int, ...]:
        """lea rax or rdx, [text]; those into rsi are of the look at ports that are 0, and may stay."""
        begins, ends = self._function("start_servers")
        places = [place for text in self._http_ports for place in self._references[text] if begins <= place < ends]
        load = re.compile(rb"\x48\x8d[\x05\x15]")
        found = tuple(sorted(place - 3 for place in places if load.match(self._library.read(place - 3, 3))))
        if not found:
            raise NotFoundError("http_port_loads")
        return found

    def _listener_check_jump(self) -> int:
        """mov esi, 4 (HTTP); call; test al, al; je, long or short; and behind it a comparison with 'http_por', 't'."""
        begins, ends = self._function("start_servers")
        check = rb"\xbe\x04\0\0\0\xe8....\x84\xc0(\x0f\x84....|\x74.)(?=.{0,48}http_por)"
        found = re.finditer(check, self._library.read(begins, ends - begins), re.DOTALL)
        return self._one("listener_check_jump", [begins + match.start(1) for match in found])

    def _handler_jump(self) -> int:
        """The second je of the factory: not the handler that was asked for first."""
        begins, _ = self._function("handlers")
        jumps = list(re.finditer(rb"\x0f\x84....", self._library.read(begins, 0x100), re.DOTALL))
        if len(jumps) < 2:
            raise NotFoundError("handler_jump")
        return begins + jumps[1].start()

    def _interserver_handler(self) -> int:
        """Where the short je before the last jump leads."""
        begins, _ = self._function("handlers")
        found = self._match("interserver_handler", rb"\x74(.)\xe9", begins, begins + 0x140)
        return begins + found.end(1) + found.group(1)[0]


def _unsigned(four: bytes) -> int:
    return int(struct.unpack("<I", four)[0])


def main(release: str, library: str = "") -> None:
    """Find them, and keep them in ``addresses/``."""
    path = Path(library) if library else find_library(release)
    print(Locator(path).addresses(path, release).write())  # noqa: T201 - a command


if __name__ == "__main__":
    main(*sys.argv[1:])
