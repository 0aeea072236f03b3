"""Which database a command works on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.clients.url import EmbeddedUrl, ServerUrl

URL_VARIABLE = "AAICLICK_CH_URL"
ROOT_VARIABLE = "AAICLICK_LOCAL_ROOT"


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """``url`` is opened (it may hold a password: ``place`` is what people are shown), ``given`` is what stood behind
    ``--url``."""

    url: str = field(repr=False)
    parsed: EmbeddedUrl | ServerUrl
    given: str | None = field(repr=False, default=None)

    @property
    def place(self) -> str:
        """The directory, or the server's address."""
        from aaiclick.clients.url import ServerUrl

        if isinstance(self.parsed, ServerUrl):
            return self.parsed.place
        return "memory" if self.parsed.in_memory else self.parsed.path

    @property
    def embedded(self) -> bool:
        """True for the engine inside this process."""
        from aaiclick.clients.url import EmbeddedUrl

        return isinstance(self.parsed, EmbeddedUrl)

    @property
    def password(self) -> str:
        """The password in the URL, to be masked wherever it might turn up."""
        from aaiclick.clients.url import ServerUrl

        return self.parsed.password if isinstance(self.parsed, ServerUrl) else ""

    @property
    def missing(self) -> bool:
        """True where an embedded directory holds no database yet. Opening the engine on it would make one. Raises
        ``ConnectionFailed`` where there is no engine: what is in the directory cannot be asked at all."""
        from aaiclick.clients.chdb_session import require_engine
        from aaiclick.clients.directory import directory_state
        from aaiclick.clients.url import EmbeddedUrl

        if self.embedded:
            require_engine()

        return (
            isinstance(self.parsed, EmbeddedUrl)
            and not self.parsed.in_memory
            and directory_state(self.parsed.path) != "database"
        )


def resolve(url: str | None, environment: Mapping[str, str], home: Path) -> DatabaseTarget:
    """``--url``, else ``AAICLICK_CH_URL``, else the embedded engine where the application keeps it. Raises
    ``UsageError``."""
    from aaiclick.clients.directory import directory_state
    from aaiclick.clients.url import EmbeddedUrl, parse_url

    chosen = url or environment.get(URL_VARIABLE) or local_url(environment, home)
    target = DatabaseTarget(chosen, parse_url(chosen), url)
    if isinstance(target.parsed, EmbeddedUrl) and not target.parsed.in_memory:
        directory_state(target.parsed.path)
    return target


def local_url(environment: Mapping[str, str], home: Path) -> str:
    """Where the application keeps its embedded engine. Raises ``UsageError``."""
    # As the embedding application builds it: a variable that is set but empty means the working directory.
    root = Path(environment.get(ROOT_VARIABLE, home / ".aaiclick"))
    path = str(root.absolute() / "chdb_data")
    if "?" in path:
        raise UsageError(
            f"{path}: a URL cannot name a directory with a question mark. Set {ROOT_VARIABLE} to another one"
        )
    return f"chdb://{path}"


def command_line(command: str, *options: tuple[str, str | None], flags: tuple[str, ...] = ()) -> str:
    """The command to run, quoted for a shell; options without a value are left out, passwords in URLs are masked."""
    from aaiclick.clients.url import mask

    words = ["aaiclick", command, *flags]
    for option, value in options:
        if value is not None:
            words += [option, mask(value) if option == "--url" else value]
    return shlex.join(words)
