"""Debian's ZooKeeper as a child process: one server, no quorum, no service of the system."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.cluster.rig import wire
from tests.cluster.rig.ports import claim_port
from tests.cluster.rig.process import ClusterProcess

JAR = Path(os.environ.get("AAICLICK_ZOOKEEPER_JAR") or "/usr/share/java/zookeeper.jar")
"""Debian's package ``zookeeper`` brings it; its manifest names the others."""
_CONFIG = """\
tickTime=1000
dataDir={directory}/data
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
maxClientCnxns=0
4lw.commands.whitelist=srvr
"""
_LOGGING = """\
log4j.rootLogger=WARN, CONSOLE
log4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender
log4j.appender.CONSOLE.layout=org.apache.log4j.PatternLayout
log4j.appender.CONSOLE.layout.ConversionPattern=%d %p %c - %m%n
"""


def what_is_missing() -> str:
    """Why ZooKeeper cannot be started here; '' where it can."""
    if shutil.which("java") is None:
        return "there is no Java here (Debian: apt-get install zookeeper)"
    if not JAR.exists():
        return f"there is no ZooKeeper here: {JAR} is missing (Debian: apt-get install zookeeper)"
    return ""


class ZooKeeper(ClusterProcess):
    """``kill``, ``start``, ``pause`` and ``resume`` as of a node; what was written is there after a kill."""

    def __init__(self, directory: Path) -> None:
        super().__init__("ZooKeeper", directory)
        self.port = claim_port()
        (directory / "data").mkdir(exist_ok=True)
        (directory / "zoo.cfg").write_text(_CONFIG.format(directory=directory, port=self.port))
        (directory / "log4j.properties").write_text(_LOGGING)

    def create_root(self, path: str) -> None:
        """The node under which one cluster keeps everything."""
        wire.create_node(self.port, path)

    def _command(self) -> list[str]:
        # The files survive a kill of the process without fsync; they are not there to survive the machine's.
        return [
            "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.forceSync=no",
            "-cp", f"{self.directory}:{JAR}", "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(self.directory / "zoo.cfg"),
        ]  # fmt: skip

    def _answers(self) -> bool:
        try:
            return "Mode:" in wire.ask(self.port, "srvr")  # ruok is answered before it serves anybody
        except OSError:
            return False
