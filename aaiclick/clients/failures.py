"""Errors of drivers as errors of ``aaiclick.errors``.

Nothing here imports a driver. Errors are recognised by ClickHouse's code and text, and network failures by
exceptions of the standard library (and a few class names) among their causes.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

from aaiclick.error_codes import (
    AUTHENTICATION_FAILED,
    READONLY,
    REQUIRED_PASSWORD,
    UNKNOWN_SETTING,
    UNKNOWN_USER,
    WRONG_PASSWORD,
)
from aaiclick.errors import AaiclickError, ConnectionFailed, OutcomeUnknownError, StatementError, UsageError

NOT_INSTALLED = "the embedded engine is not installed. Run: pip install chdb"
AUTHENTICATION_CODES = frozenset({UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED})

_CODE = re.compile(r"\bCode:\s*(\d+)")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_OUTER_HEADS = re.compile(r"\A(?:Code:\s*\d+\.\s*DB::Exception:\s*)+(?=Code:\s*\d+\.\s*DB::Exception:)")
_VERSION = re.compile(r"\s*\(version (?:[^()]|\([^()]*\))*\)")
_URL_TRAILER = re.compile(r"\s*\(for url [^)]*\)\s*\Z")
_REPEATED_NAME = re.compile(r"(\([A-Z][A-Z0-9_]+\))(?:\.?\s*\1)+")
_EXCERPT = re.compile(r"(?s)(failed at position \d+)(?:.*(?=Expected one of: )|.*)")
_STACK = re.compile(r",?\s*Stack trace(?: \(when copying.*?\))?:.*", re.DOTALL)
_SETTING = re.compile(r"(?:Unknown s|\bS)etting '?([A-Za-z_][A-Za-z0-9_]*)'?")


def statement_error(text: str, sql: str, code: int = 0, name: str = "") -> StatementError:
    """The server's refusal. ``code`` and ``name`` are taken from the text where the driver does not give them."""
    if not code and (found := _CODE.search(text)):
        code = int(found[1])
    if not name and (names := _NAME.findall(text)):
        name = str(names[-1])
    return StatementError(_without_excerpt(tidy(text), sql), code, name, sql)


def _without_excerpt(message: str, sql: str) -> str:
    """Of a statement that it cannot read the server shows a piece, from where it stopped to the middle of anything:
    whatever may be a secret there is not recognised any more."""
    if _EXCERPT.search(message) is None:
        return message
    from aaiclick.sql.secrets import HIDDEN, without_secrets

    return _EXCERPT.sub(rf"\1 {HIDDEN}. ", message).rstrip() if without_secrets(sql) != sql else message


def tidy(text: str) -> str:
    """The server's message without the driver's preamble, repeated codes, version, URL and stack trace."""
    start = _CODE.search(text)
    kept = text[start.start() :] if start else text
    kept = _STACK.sub("", _VERSION.sub("", _URL_TRAILER.sub("", kept)))
    return _REPEATED_NAME.sub(r"\1", _OUTER_HEADS.sub("", kept)).strip()


def unknown_setting(error: StatementError) -> str | None:
    """The setting that an older server does not know; None for any other error."""
    if error.code != UNKNOWN_SETTING:
        return None
    found = _SETTING.search(error.message)
    return found[1] if found else None


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, outermost first."""
    seen: set[int] = set()
    queue: list[BaseException] = [error]
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        reason: object = getattr(current, "reason", None)  # urllib3 keeps the cause of MaxRetryError here
        queue.extend(
            link for link in (reason, current.__cause__, current.__context__) if isinstance(link, BaseException)
        )


def cannot_connect(error: BaseException, place: str) -> str | None:
    """A sentence for a connection that was never made; None where the request may have been sent."""
    links = list(chain(error))
    names = {type(link).__name__ for link in links}
    if any(isinstance(link, socket.gaierror) for link in links) or names & {
        "NameResolutionError",
        "ClientConnectorDNSError",
    }:
        return f"the host name in {place} cannot be resolved. Correct the host"
    if any(isinstance(link, ssl.SSLError) for link in links) or names & {
        "ClientConnectorCertificateError",
        "ClientConnectorSSLError",
    }:
        return (
            f"no TLS connection to {place} ({_tls_reason(links)}). Correct the scheme, or give ?ca_cert=FILE "
            "(?verify=false to trust any certificate)"
        )
    if any(isinstance(link, ConnectionRefusedError) for link in links):
        return (
            f"nothing listens at {place} (connection refused). Start the server, or correct host and port (the HTTP "
            "port, usually 8123)"
        )
    if names & {"ConnectTimeoutError", "ConnectionTimeoutError"}:
        return f"{place} does not answer (timed out while connecting). Check host, port and firewall"
    if names & {"NewConnectionError", "ClientConnectorError"}:
        return f"{place} cannot be reached. Check host, port and network"
    return None


def _tls_reason(links: list[BaseException]) -> str:
    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"certificate not accepted: {link.verify_message}"
    return "the TLS handshake failed"


def http_failure(error: Exception, sql: str, place: str) -> AaiclickError:
    """What an error of clickhouse-connect over HTTP means for the statement."""
    if isinstance(error, AaiclickError):
        return error
    given: object = getattr(error, "code", None)
    named: object = getattr(error, "name", None)
    refusal = statement_error(
        str(error), sql, given if isinstance(given, int) else 0, named if isinstance(named, str) else ""
    )
    # The server answered with a code: whatever else the error says, it is the answer to this statement.
    if refusal.code in AUTHENTICATION_CODES:
        return ConnectionFailed(f"{place} refused the login: wrong user or password. Correct them in the URL or client")
    if refusal.code:
        return refusal
    # A connection that was never made has carried nothing; for any other network error the outcome is unknown.
    sentence = cannot_connect(error, place)
    if sentence is not None:
        return ConnectionFailed(sentence)
    text = str(error)
    if "concurrent queries within the same session" in text:
        return UsageError(
            "another thread is using this clickhouse-connect client: give a client of its own (or one made with "
            "autogenerate_session_id=False)"
        )
    if "Setting " in text and " is readonly" in text:
        return StatementError(text, READONLY, "READONLY", sql)
    status = re.search(r"HTTP status (\d{3})", text)
    if status is not None and status[1].startswith("4"):
        return StatementError(tidy(text), 0, "", sql)
    kind = type(error).__name__
    # It was sent, and nothing that the server says came back.
    if kind in ("OperationalError", "StreamFailureError") or status is not None or not _is_driver_error(error):
        return OutcomeUnknownError(
            f"the connection to {place} was lost while a statement ran; it may have happened. Run again", 0, "", sql
        )
    return refusal


def _is_driver_error(error: Exception) -> bool:
    return any(base.__module__.startswith("clickhouse_connect") for base in type(error).__mro__)
