"""Database URLs: parsing, and masking of passwords. Pure: nothing is opened here.

    chdb:///absolute/path        the embedded engine on a directory (made if missing)
    chdb://relative/path         the same, seen from the working directory; chdb://~/path from the home directory
    chdb://memory                the embedded engine without a directory: gone with the process
    clickhouse://user:password@host:8123/database        a server's HTTP interface
    clickhouses://, https://     the same over TLS (port 8443)
    http://                      like clickhouse://

A query string holds settings sent with every statement (``?max_threads=4``; those that change meanings are put back);
``database``, ``user``, ``password`` and ``secure`` are taken from it where the URL proper does not say them, and so are
the options in ``DRIVER_OPTIONS``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from aaiclick.errors import UsageError

ACCEPTED = (
    "chdb:///path, chdb://memory, clickhouse://user:password@host:8123/database, clickhouses://..., http://... or "
    "https://..."
)
DRIVER_OPTIONS = frozenset(
    {
        "verify",
        "ca_cert",
        "client_cert",
        "client_cert_key",
        "connect_timeout",
        "send_receive_timeout",
        "server_host_name",
    }
)
MEMORY = ":memory:"

_SCHEMES = {"clickhouse": False, "http": False, "clickhouses": True, "https": True}
_TLS_PORTS = frozenset({443, 8443})
_USER_INFO = re.compile(r"(://[^:/@?#]*):.*@", re.DOTALL)
_SECRET_OPTION = re.compile(r"([?&](?:password|access_token)=)[^&]*", re.IGNORECASE)
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class EmbeddedUrl:
    """The embedded engine. ``path`` is an absolute directory, or ``:memory:``."""

    path: str
    database: str | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def in_memory(self) -> bool:
        return self.path == MEMORY


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A server's HTTP interface. ``repr`` and ``place`` do not show the password."""

    host: str
    """Name or address of the host."""
    port: int
    """The HTTP port; 8123, or 8443 with TLS, where the URL does not say it."""
    secure: bool = False
    """True for TLS."""
    user: str = "default"
    """Name of the user."""
    password: str = field(default="", repr=False)
    """The password; '' for none."""
    database: str | None = None
    """The current database; None for the user's default."""
    settings: tuple[tuple[str, str], ...] = ()
    """Settings that are sent with every statement."""
    options: tuple[tuple[str, str], ...] = ()
    """Options of the driver, from ``DRIVER_OPTIONS``."""

    @property
    def place(self) -> str:
        """``http://host:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


DatabaseUrl: TypeAlias = EmbeddedUrl | ServerUrl


def mask(url: str) -> str:
    """The URL with ``***`` for every password. It rather hides too much."""
    return _SECRET_OPTION.sub(r"\1***", _USER_INFO.sub(r"\1:***@", url))


def _meant(text: str) -> str:
    """A path or ``host:port`` as the URL that it was meant for; '' for what is neither."""
    if re.fullmatch(r"[\w.-]+:\d+(/\w*)?", text):
        return f"clickhouse://{text}"
    return f"chdb://{text}" if re.fullmatch(r"[\w./~-]+", text) else ""


def parse_url(url: str) -> DatabaseUrl:
    """The parts of a URL. Raises ``UsageError``, without a password in it, where it cannot be one."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if separator and scheme == "chdb":
        return _embedded(url, rest)
    if separator and scheme in _SCHEMES:
        return _server(url, f"{scheme}://{rest}", _SCHEMES[scheme])
    meant = "" if separator or "@" in url else _meant(url)  # behind a user's name there may be a password
    hint = f" (did you mean {meant!r}?)" if meant else ""
    shown = mask(url) if separator or "@" not in url else f"***@{url.rpartition('@')[2]}"
    raise UsageError(f"{shown!r} is no database URL{hint}. Accepted: {ACCEPTED}")


def _embedded(url: str, rest: str) -> EmbeddedUrl:
    # The path is taken as it stands: directories may hold % and #, and programs paste paths behind chdb:// unencoded.
    path, _, query = rest.partition("?")
    settings = dict(_pairs(url, query))
    database = settings.pop("database", None) or None
    if path in ("memory", MEMORY, "/" + MEMORY):
        return EmbeddedUrl(MEMORY, database, tuple(settings.items()))
    if not path:
        raise UsageError(f"{url!r} names no directory. Accepted: chdb:///path, chdb://relative/path or chdb://memory")
    return EmbeddedUrl(os.path.realpath(Path(path).expanduser()), database, tuple(settings.items()))


def _server(url: str, normal: str, secure: bool) -> ServerUrl:
    try:
        parts = urlsplit(normal)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Its text may quote the password ("Port could not be cast ...": an unencoded / or # in it), so it is not passed
        # on.
        raise UsageError(
            f"{mask(url)!r} has a wrong host or port. Encode / ? # @ : in user and password (%2F %3F %23 %40 %3A)"
        ) from None
    if not host:
        raise UsageError(f"{mask(url)!r} names no host. Accepted: {ACCEPTED}")
    if parts.fragment:
        raise UsageError(f"{mask(url)!r} holds a #. Encode it as %23")
    options = dict(_pairs(url, parts.query))
    if "secure" in options:
        secure = _truth(url, "secure", options.pop("secure"))
    elif parts.scheme == "clickhouse" and port in _TLS_PORTS:
        secure = True
    path = parts.path.strip("/")
    if "/" in path:
        raise UsageError(f"{mask(url)!r} has more than a database name after the host. Accepted: {ACCEPTED}")
    # The URL proper counts more than its query string.
    database = unquote(path) or options.get("database") or None
    user = unquote(parts.username or "") or options.get("user") or "default"
    password = unquote(parts.password or "") or options.get("password") or ""
    for key in ("database", "user", "password"):
        options.pop(key, None)
    driver = tuple((key, value) for key, value in options.items() if key in DRIVER_OPTIONS)
    settings = tuple((key, value) for key, value in options.items() if key not in DRIVER_OPTIONS)
    return ServerUrl(host, port or (8443 if secure else 8123), secure, user, password, database, settings, driver)


def _pairs(url: str, query: str) -> list[tuple[str, str]]:
    pairs = parse_qsl(query, keep_blank_values=True)
    for key, _ in pairs:
        if not _SETTING_NAME.match(key):
            raise UsageError(f"{mask(url)!r}: {key!r} is no name of a setting")
    return pairs


def _truth(url: str, key: str, value: str) -> bool:
    lowered = value.lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"{mask(url)!r}: {key} is true or false, not {value!r}")
