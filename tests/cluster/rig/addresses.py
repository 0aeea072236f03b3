"""Where things are in one build of the engine: found by ``locate.py``, kept in ``addresses/``, chosen by build id."""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "addresses"
_NOTE = 4
"""The type of the ELF segment that holds the build id."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Virtual addresses (from the start of the library) of functions, instructions and variables, and offsets in
    objects."""

    build_id: str
    """The linker's hash of the build, in hex."""
    release: str
    """The chdb-core it is in."""
    server_uuid: int
    """The variable of the server's UUID."""
    interserver_address: int
    """The function that says under which host and port other replicas fetch from this node."""
    interserver_address_size: int
    """Its length in bytes."""
    shared_interserver_host: int
    """Offset of its host in the part that all contexts share; scheme and credentials follow."""
    replicated_ddl_enabled: int
    """The function behind 'Replicated DDL queries are disabled'."""
    attach_system_tables_flag: int
    """The instruction that takes over, while the system tables are made, whether there is a ZooKeeper."""
    create_tables_pool: int
    """The function that gives the pool that makes the tables of a recovered Replicated database."""
    pool_initialize: int
    """The function that starts such a pool."""
    ddl_worker_create: int
    """The constructor of the worker that carries out ON CLUSTER."""
    ddl_worker_start: int
    """The function that starts it."""
    ddl_worker_table: int
    """Its virtual table."""
    shared_ddl_worker: int
    """Offset of the pointer to it in the part that all contexts share."""
    embedded_instance: int
    """The variable that points to the embedded server."""
    embedded_settings: int
    """Offset of the server settings in it."""
    local_table: int
    """The virtual table of the local server, of which a stand-in is made."""
    local_context: int
    """Offset of the global context in it."""
    local_application: int
    """Offset of the application in it."""
    local_application_table: int
    """The virtual table of that part."""
    local_config: int
    """Offset of the configuration in it."""
    local_log: int
    """Offset of the logger in it."""
    local_server: int
    """Offset of the server interface in it."""
    local_server_table: int
    """The virtual table of that part."""
    context_start_servers: int
    """What SYSTEM START LISTEN calls."""
    start_servers: int
    """The function that opens the listeners of the configuration."""
    http_port_loads: tuple[int, ...]
    """The instructions in it that load the text 'http_port'."""
    interserver_port_text: int
    """The text 'interserver_http_port'."""
    listener_check_jump: int
    """The jump in it that passes over the look whether a listener called 'http_port' is there afterwards."""
    handler_jump: int
    """The jump in the factory of HTTP handlers that is taken for the usual handler."""
    interserver_handler: int
    """The branch of that factory that makes the interserver handler."""

    def write(self) -> Path:
        """Keep them beside this module, for the next run on this build."""
        values = asdict(self)
        values["http_port_loads"] = list(self.http_port_loads)
        path = FOLDER / f"chdb-core-{self.release}.json"
        path.write_text(json.dumps(values, indent=2) + "\n")
        return path


def read(path: Path) -> Addresses:
    """What ``write`` wrote."""
    values = json.loads(path.read_text())
    values["http_port_loads"] = tuple(values["http_port_loads"])
    assert set(values) == {field.name for field in fields(Addresses)}, f"{path} is of another make: run locate.py"
    return Addresses(**values)


@cache
def build_id(library: Path) -> str:
    """The build id of an ELF library; '' where it has none."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as image:
        (table,), (count,) = struct.unpack_from("<Q", image, 32), struct.unpack_from("<H", image, 56)
        for entry in range(table, table + 56 * count, 56):
            kind, _, offset = struct.unpack_from("<IIQ", image, entry)
            if kind == _NOTE:
                name, size, what = struct.unpack_from("<III", image, offset)
                begins = offset + 12 + name
                if what == 3 and image[offset + 12 : begins] == b"GNU\0":
                    return image[begins : begins + size].hex()
    return ""


def known(library: Path) -> Path | None:
    """The file with the addresses of this build, if there is one."""
    wanted = build_id(library)
    found = (path for path in sorted(FOLDER.glob("*.json")) if json.loads(path.read_text())["build_id"] == wanted)
    return next(found, None)
