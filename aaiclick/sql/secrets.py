"""What may be a secret in the text of a statement, by kind: shown and written to files as ``[HIDDEN]``. The server
masks some of these in what it shows; this hides more, and what it has masked stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from aaiclick.sql.tokens import TokenError, Tokens, unquote

HIDDEN = "[HIDDEN]"
_POSITION = re.compile(r"failed at position (\d+) \((.*?)\)", re.DOTALL)
_LITERAL = f"'{HIDDEN}'"

_STRING = r"'(?:[^'\\]|\\.|'')*'"
_USER = re.compile(r"(://[^:/?#@'\s]*:)[^@'\s]*@|(://)[^:/?#@'\s]+@")
_URL = re.compile(r"://[^'\s]*")
_QUERY_VALUE = re.compile(r"([?&;][^=?&;#/']+=)[^&;#']+")
_CONNECTION = re.compile(r"(?i)\b((?:AccountKey|SharedAccessSignature|SharedAccessKey|PWD|Password)=)[^;'\[]+")
# NAME 'x' in the source of a dictionary and NAME = 'x' among settings and overrides of a named collection.
_NAMED = re.compile(
    r"(?i)(\b(?:password|secret\w*|\w*token|access_key\w*|credentials?|api_key|value)\b\s*\(?\s*)" + _STRING
)
_SOURCE = re.compile(r"(?i)\bSOURCE\s*\(")
_SETTING = re.compile(
    r"(?i)(\b(?:kafka|rabbitmq|nats|s3queue|azure\w*|mysql|postgresql|redis|mongodb|s3)_\w*"
    r"(?:password|secret|token|credential|passphrase|nkey)\w*\s*=\s*)" + _STRING
)
# Functions that are given a key: from which argument on everything may be one (their initial vectors, too).
_KEYED = {
    "encrypt": 2,
    "decrypt": 2,
    "tryencrypt": 2,
    "trydecrypt": 2,
    "aes_encrypt_mysql": 2,
    "aes_decrypt_mysql": 2,
    "hmac": 2,
    "siphash64keyed": -1,
    "siphash128keyed": -1,
    "siphash128referencekeyed": -1,
}
"""-1: the first argument alone."""
# Table functions and engines that reach outside: from which argument on a word may be a user, a password or a key.
_OUTSIDE = {
    **dict.fromkeys(("s3", "gcs", "oss", "cosn", "s3queue", "iceberg", "icebergs3", "deltalake", "deltalakes3"), 1),
    **dict.fromkeys(("hudi", "paimon", "paimons3"), 1),
    **dict.fromkeys(("azureblobstorage", "azurequeue", "icebergazure", "deltalakeazure", "paimonazure"), 3),
    **dict.fromkeys(("mysql", "postgresql", "mongodb", "materializedpostgresql"), 4),
    **dict.fromkeys(("arrowflight", "ytsaurus"), 2),
    # Before these stand a database and a table, or both in one and a user.
    **dict.fromkeys(("remote", "remotesecure"), 3),
    "redis": 2,
}
# Formats and compressions, which stand among the same arguments.
_PLAIN = re.compile(
    r"'(?i:(?:CSV|TSV|TSKV|Tab|Json|Parquet|ORC|Avro|Arrow|Native|RowBinary|Values|Line|Raw|Template|Custom|Protobuf"
    r"|CapnProto|MsgPack|Regexp|Npy|Form|Markdown|Hash|DWARF|BSON)\w*|auto|none|gzip|gz|zstd|zst|brotli|br|xz|lzma|lz4"
    r"|bz2|snappy|deflate|One)'"
)
_SECRET_WORD = re.compile(
    r"(?i)password|secret|token|credential|access_key|session|signature|account_key|connection_str"
)
_IDENTIFIED = re.compile(rf"(?i)(\bIDENTIFIED\b[^';]{{0,200}}?\bBY\s*){_STRING}?")
_SPACE = r"(?:\s|/\*.{0,500}?\*/|--[^\n]*\n)+"
_COLLECTION = re.compile(rf"(?is)\b(?:CREATE|ALTER){_SPACE}NAMED{_SPACE}COLLECTION\b.*")
_KEY_VALUE = re.compile(rf"(?s)(={_SPACE[:-1]}*)(?:{_STRING}?|\$(\w*)\$.*?\$\2\$|[^\s,;'`\"]+)")
_WORTH_LOOKING = re.compile(
    r"(?i)://|identified|\bnamed\b|crypt|hmac|keyed|password|secret|token|access_key|credential|api_key|value|headers|pwd=|accountkey"
    r"|shared|nkey|s3|gcs|oss|cosn|iceberg|deltalake|hudi|paimon|azure|mysql|postgresql|mongodb|remote|arrowflight"
    r"|ytsaurus|redis"
)


def without_secrets(sql: str, *, source: bool = False) -> str:
    """The text with ``[HIDDEN]`` for whatever may be a secret: keys of functions, the user and every query value of a
    URL, values of headers, passwords and keys of engines, table functions, sources and settings, all values of named
    collections, passwords of users.

    ``source``: it is the source of a dictionary, without that word.
    """
    if _WORTH_LOOKING.search(sql) is None:
        return sql
    source = source or _SOURCE.search(sql) is not None
    with suppress(TokenError):  # words, or a part of a statement: what is no call is hidden all the same
        sql = _in_calls(sql)
    # By its text, not by tokens: of a statement that cannot be cut nothing may be shown either.
    sql = _COLLECTION.sub(lambda found: _KEY_VALUE.sub(rf"\1{_LITERAL}", found[0]), sql)
    sql = _IDENTIFIED.sub(rf"\1{_LITERAL}", sql)
    sql = _URL.sub(lambda found: _QUERY_VALUE.sub(rf"\1{HIDDEN}", found[0]), sql)
    sql = _USER.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}@", sql)
    sql = _SETTING.sub(rf"\1{_LITERAL}", _CONNECTION.sub(rf"\1{HIDDEN}", sql))
    return _NAMED.sub(rf"\1{_LITERAL}", sql) if source else sql


def secret_setting(name: str) -> bool:
    """True for a setting whose value is one."""
    return _SECRET_WORD.search(name) is not None


def _in_calls(sql: str) -> str:
    tokens = Tokens(sql)
    hidden = {place for start, _ in _calls(tokens) for place in _secret_arguments(tokens, start)}
    pieces, copied = list[str](), 0
    for place in sorted(hidden):
        token = tokens.items[place]
        pieces += [sql[copied : token.start], _LITERAL]
        copied = token.end
    return "".join([*pieces, sql[copied:]])


def _calls(tokens: Tokens) -> Iterator[tuple[int, int]]:
    """Name and bracket of each call."""
    for place, token in enumerate(tokens.items):
        if token.kind in ("word", "name") and tokens.is_op(place + 1, "("):
            yield place, place + 1


def _secret_arguments(tokens: Tokens, place: int) -> Iterator[int]:
    """The literals of one call that may be a secret."""
    name = unquote(tokens.items[place].text).lower().removesuffix("cluster")
    arguments = tokens.split(place + 2, tokens.match[place + 1])
    if name in ("headers", "extra_credentials"):
        for start, end in arguments:
            if tokens.is_op(start + 1, "="):
                yield from _literals(tokens, start + 1, end, "string")
    elif (first := _KEYED.get(name)) is not None:
        for start, end in arguments[:1] if first < 0 else arguments[first:]:
            yield from _literals(tokens, start, end, "string", "number")
    elif (first := _OUTSIDE.get(name)) is not None:
        for position, (start, end) in enumerate(arguments):
            if tokens.is_op(start + 1, "=") and not _SECRET_WORD.search(tokens.items[start].text):
                continue
            if tokens.is_op(start + 1, "=") or (position >= first and end == start + 1):
                found = _literals(tokens, start, end, "string")
                yield from (place for place in found if not _PLAIN.fullmatch(tokens.items[place].text))


def _literals(tokens: Tokens, start: int, end: int, *kinds: str) -> Iterator[int]:
    return (place for place in range(start, end) if tokens.items[place].kind in kinds)


def syntax_error(message: str) -> tuple[int, str] | None:
    """The byte at which a statement cannot be parsed, from 0, and a sentence that holds nothing of it
    that may be a secret; None for another error."""
    found = _POSITION.search(message)
    if found is None or "Syntax error" not in message:
        return None
    # A token with a quote in it may be a part of a secret.
    token = f" at {found[2].strip()}" if found[2].strip() and "'" not in found[2] else ""
    return int(found[1]) - 1, f"the engine cannot parse it{token}"
