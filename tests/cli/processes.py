"""The command line as users run it: by itself, in a pipe or at a pseudo-terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.resident import resident

ROOT = Path(__file__).parent.parent.parent
LOADER = """
import json
from chdb.session import Session
session = Session({path!r})
answers = [str(session.query(statement, "TabSeparatedRaw")) for statement in {statements!r}]
session.close()
print(json.dumps(answers))
"""
HOLDER = """
import sys
from chdb.session import Session
session = Session(sys.argv[1])
session.query("SELECT 1")
print("open", flush=True)
sys.stdin.readline()
"""


def environment(home: Path, **variables: str) -> dict[str, str]:
    """A user's environment with a home directory of its own and none of this library's variables."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AAICLICK_", "NO_COLOR", "FORCE_COLOR", "COLUMNS"))
    }
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **variables}


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Install:
    """A home directory with an embedded database in the usual place."""

    home: Path

    @property
    def path(self) -> Path:
        return self.home / ".aaiclick" / "chdb_data"

    def query(self, *statements: str) -> list[str]:
        """Carry statements out in another process, which then gives the directory free again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        script = LOADER.format(path=str(self.path), statements=list(statements))
        done = resident().python(script, self.home, environment(self.home))
        assert done.code == 0, done.stderr
        answers: list[str] = json.loads(done.stdout)
        return answers

    def aaiclick(self, *arguments: str, **variables: str) -> Done:
        """As in a pipe."""
        done = resident().aaiclick(arguments, self.home, environment(self.home, **variables))
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.code, done.stdout, done.stderr)

    def in_a_pipe(self, *arguments: str, **variables: str) -> Done:
        """In a process of its own, which ends with it."""
        command = [sys.executable, "-m", "aaiclick", *arguments]
        done = subprocess.run(
            command,
            cwd=self.home,
            env=environment(self.home, **variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def at_terminal(self, *arguments: str, typed: str = "", **variables: str) -> tuple[int, str]:
        """At a pseudo-terminal where that is typed: exit code, and what was shown."""
        return at_terminal(
            [sys.executable, "-m", "aaiclick", *arguments],
            self.home,
            environment(self.home, COLUMNS="110", LINES="30", **variables),
            typed,
        )


def at_terminal(command: Sequence[str], folder: Path, variables: dict[str, str], typed: str = "") -> tuple[int, str]:
    """What is typed is read by whoever asks first."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        while True:
            try:
                received = os.read(ours, 65536)
            except OSError:  # how Linux says that nobody holds the other end any more
                break
            if not received:
                break
            shown += received
        os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")
