"""The parts of ClickHouse's HTTP interface that are no engine: compression, form data, chunked bodies, errors.

Runs stand-alone beside ``server.py``, with nothing but the standard library; lz4, zstd and brotli are used where a
module for them is installed.
"""

from __future__ import annotations

import gzip
import importlib
import re
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

# https://github.com/ClickHouse/ClickHouse/blob/master/src/Server/HTTP/exceptionCodeToHTTPStatus.cpp
_STATUS_OF_CODE: dict[int, int] = {
    **dict.fromkeys((6, 25, 26, 27, 38, 41, 53, 62, 69, 72, 117, 167, 168, 427, 441, 675, 676), 400),
    **dict.fromkeys((192, 193, 194), 401),
    **dict.fromkeys((291, 492, 516, 497), 403),
    **dict.fromkeys((16, 46, 47, 50, 56, 60, 63, 73, 81, 115, 139, 196, 226, 372), 404),
    **dict.fromkeys((159, 160), 408),
    **dict.fromkeys((165,), 413),
    **dict.fromkeys((48,), 501),
    **dict.fromkeys((439,), 503),
}
_CODE = re.compile(r"Code: (\d+)")
# Data of an INSERT reach the engine in a file: its words about that are nothing the client would know.
_NESTED = re.compile(
    r"Code: \d+\. DB::Exception: (Code: \d+\. DB::Exception: .*) \(version [^()]*\)\. \(\w+\)", re.DOTALL
)
_FROM_FILE = re.compile(r": \(in file/uri [^()]*\)|: While executing File: data for INSERT was parsed from file")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_PART_NAME = re.compile(r'[; ]name="([^"]*)"')
_PART_FILE = re.compile(r'filename="([^"]*)"')


class EngineError(Exception):
    """The engine (or this interface) refuses a request; ``code`` is ClickHouse's, the text starts with ``Code: N.
    DB::Exception:``."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)

    @classmethod
    def of(cls, error: BaseException) -> EngineError:
        """From what the embedded engine raised."""
        text = str(error).strip()
        match = _CODE.search(text)
        if match is None:
            return cls.make(1002, text or type(error).__name__, "UNKNOWN_EXCEPTION")
        text = text[match.start() :]
        nested = _NESTED.fullmatch(text)
        return cls(int(match[1]), _FROM_FILE.sub("", nested[1] if nested else text))

    @classmethod
    def make(cls, code: int, problem: str, name: str) -> EngineError:
        return cls(code, f"Code: {code}. DB::Exception: {problem}. ({name})")

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse answers such a code with."""
        return _STATUS_OF_CODE.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """The text of the answer; ClickHouse adds its version to it."""
        return f"{self} (version {version} (official build))\n".encode("utf-8", "surrogateescape")


class _Codec(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _module(*names: str) -> _Codec | None:
    for name in names:
        try:
            return cast("_Codec", importlib.import_module(name))
        except ImportError:
            continue
    return None


def _codec(encoding: str) -> _Codec | None:
    if encoding == "lz4":
        return _module("lz4.frame")
    if encoding == "zstd":
        return _module("compression.zstd", "backports.zstd")
    return _module("brotli") if encoding == "br" else None


def can_decompress(encoding: str) -> bool:
    """Whether Python can undo this Content-Encoding here (the engine itself can undo lz4, zstd and br)."""
    return encoding in ("", "identity", "gzip", "deflate") or _codec(encoding) is not None


def decompress(data: bytes, encoding: str) -> bytes:
    """Undoes a Content-Encoding; EngineError (354) when the bytes are not what the header says."""
    if encoding in ("", "identity"):
        return data
    try:
        if encoding == "gzip":
            return gzip.decompress(data)
        if encoding == "deflate":
            return zlib.decompress(data)
        codec = _codec(encoding)
        if codec is not None:
            return codec.decompress(data)
    except Exception as error:
        raise EngineError.make(
            354, f"Cannot decode the request body as {encoding}: {error}", "ZLIB_INFLATE_FAILED"
        ) from error
    raise EngineError.make(48, f"Unknown compression method: {encoding}", "NOT_IMPLEMENTED")


def choose_encoding(accept: str) -> str:
    """The first encoding the client names that can be made here; '' for none."""
    for item in accept.split(","):
        name = item.split(";")[0].strip().lower()
        if name in ("gzip", "deflate") or (name in ("lz4", "zstd", "br") and _codec(name) is not None):
            return name
    return ""


def compress(data: bytes, encoding: str) -> bytes:
    """The opposite of ``decompress``; fast rather than small."""
    if encoding == "gzip":
        return gzip.compress(data, 1)
    if encoding == "deflate":
        return zlib.compress(data, 1)
    codec = _codec(encoding)
    return codec.compress(data) if codec is not None else data


def read_body(source: BinaryIO, length: str | None, transfer_encoding: str) -> bytes:
    """The whole request body, chunked or with a length. ConnectionError when the client stops in the middle."""
    if transfer_encoding.lower() != "chunked":
        return _exactly(source, int(length)) if length else b""
    parts: list[bytes] = []
    while True:
        line = source.readline(1024)
        if not line.endswith(b"\n"):
            raise ConnectionError("the request body ends inside a chunk header")
        size = int(line.split(b";")[0].strip() or b"0", 16)
        if size == 0:
            # Trailers and the empty line behind them: left unread they would be taken for the next request.
            while source.readline(65536).strip():
                pass
            return b"".join(parts)
        parts.append(_exactly(source, size))
        # The line break behind a chunk.
        source.readline(8)


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise ConnectionError(f"the request body ends after {len(data)} of {size} bytes")
    return data


@dataclass(frozen=True)
class FormPart:
    """One part of a form; only external tables have a ``file``."""

    name: str
    file: str
    data: bytes


def form_parts(content_type: str, body: bytes) -> list[FormPart]:
    """The parts of a multipart/form-data body; an empty list when it is none."""
    boundary = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or boundary is None:
        return []
    parts: list[FormPart] = []
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, separator, data = piece.partition(b"\r\n\r\n")
        if not separator or head.startswith(b"--"):
            continue
        text = head.decode("utf-8", "replace")
        name, file = _PART_NAME.search(text), _PART_FILE.search(text)
        parts.append(FormPart(name[1] if name else "", file[1] if file else "", data))
    return parts
