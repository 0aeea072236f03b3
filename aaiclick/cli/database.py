"""Which database a command works on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aaiclick.errors import UsageError

if TYPE_CHECKING:
    from aaiclick.clients.url import EmbeddedUrl, ServerUrl
    from aaiclick.peers import Peer

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
        from aaiclick.clients.data_directory.prepare import directory_state
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
    from aaiclick.clients.data_directory.prepare import directory_state
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


def _options(where: Sequence[tuple[str, str | None]]) -> str:
    return command_line("x", *where).removeprefix("aaiclick x")


def at_peer(target: DatabaseTarget, peer: Peer) -> str:
    """The URL of another host of the cluster; that of this one where nobody knows at which port it answers."""
    from aaiclick.clients.url import ServerUrl

    parts = _AUTHORITY.match(target.url)
    secure = isinstance(target.parsed, ServerUrl) and target.parsed.secure
    port = peer.https if secure else peer.http
    if parts is None or not port:
        return target.url
    name = f"[{peer.name}]" if ":" in peer.name else peer.name
    return f"{parts[1]}{parts[2] or ''}{name}:{port}{target.url[parts.end() :]}"


_AUTHORITY = re.compile(r"([^:/?#]+://)([^/?#]*@)?[^/?#]*")
_COMPLETE = re.compile(r"(?: --env \S+)? --url ")
_WHOLE = ("--env", "--url", "--database", "--schema", "--var")
TAKEN = {
    **dict.fromkeys(("status", "plan", "migrate", "rollback", "adopt"), _WHOLE),
    **dict.fromkeys(("history", "graph"), _WHOLE[:4]),
    **dict.fromkeys(("prune", "reflect"), _WHOLE[:3]),
    **dict.fromkeys(("revision", "check"), ("--env", "--schema")),
    "ddl": ("--env", "--schema", "--var"),  # --database would put the name into every statement
}
"""What of a run's target each command takes."""
_NAMED = re.compile(
    rf"\baaiclick ({'|'.join(TAKEN)})\b(?!')"
    r"((?: --(?:force|dry-run|amend|renumber)\b)*)(?: --schema (?:\w[\w.]*:\w+|MODULE:NAME))?"
)


def completed(text: str, where: Sequence[tuple[str, str | None]]) -> str:
    """A text with this run's target behind each command that it names, so that it can be pasted. The library, which
    knows the schema alone, may have named that one."""

    def full(found: re.Match[str]) -> str:
        command, flags = found[1], found[2]
        if _COMPLETE.match(text, found.end()):
            return found[0]  # it is complete, perhaps with the URL of another host
        target = _options([each for each in where if each[0] in TAKEN[command]])
        if target and target in text[found.start() :].removeprefix("aaiclick ").partition("aaiclick ")[0]:
            return found[0]  # it is complete
        return f"aaiclick {command}{flags}{target}"

    return _NAMED.sub(full, text)
