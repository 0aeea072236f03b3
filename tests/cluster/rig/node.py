"""One node of a cluster: ``python -m tests.cluster.rig.node ADDRESSES DIRECTORY INTERSERVER_PORT``.

The ClickHouse engine of chdb with a server's configuration, its own native, HTTP and interserver listeners, and the
steps of a server's start-up supplied from here. It ends with a signal, never in order.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.cluster.rig import addresses
from tests.cluster.rig.startup import ServerStartup

UP = "up"
"""The file in the node's directory that says that every port listens."""


def main(where: Path, directory: Path, interserver_port: int) -> None:
    """Start the engine and stay."""
    # By its name, as it has no annotations.
    engine_module: Any = importlib.import_module("chdb._chdb")

    startup = ServerStartup(engine_module.__file__, addresses.read(where))
    startup.prepare(str(directory), interserver_port)
    engine = engine_module.connect(f"{directory}/data?config-file={directory}/config.xml")
    # The first Replicated table asks for this node's address, and so shows the contexts.
    path = f"/start/{os.getpid()}_{time.time_ns()}"
    engine.query(f"CREATE TABLE default.start (a UInt8) ENGINE = ReplicatedMergeTree('{path}', '1') ORDER BY a")
    while not startup.contexts_are_known:
        time.sleep(0.005)
    engine.query("DROP TABLE default.start SYNC")
    startup.start_ddl_worker()
    startup.listen(engine.query)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    (directory / UP).write_text(str(os.getpid()))
    while True:
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
