"""A tokenizer for ClickHouse's own output: it finds the pieces of a statement, and does not understand expressions."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias, cast

Kind: TypeAlias = Literal["string", "name", "number", "word", "open", "close", "op"]

# With what word processors write for blanks, quotes and the minus sign: the server reads these, too.
_TOKEN = re.compile(
    r"""
      (?P<space>[\s\u180e\u200b-\u200d\u2060\u3000\ufeff]+|--[^\n]*|//[^\n]*|/\*.*?\*/|\#[ !][^\n]*)
    | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
    | (?P<name>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\u201c[^\u201d]*\u201d)
    | (?P<string>'(?:[^'\\]|\\.|'')*'|\u2018[^\u2019]*\u2019|\$(?P<tag>[A-Za-z0-9_]*)\$.*?\$(?P=tag)\$)
    | (?P<number>0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<op>->|\|\||::|<=>|!=|<>|<=|>=|==|[-\u2212+*/%=<>.,;:?!@^~&|$])
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "a": "\a", "v": "\v", "e": "\x1b"}
_BYTES = re.compile("[\udc80-\udcff]+")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|N|(.))|''|``|\"\"", re.DOTALL)


class TokenError(ValueError):
    """The text cannot be split into tokens: an unknown character, a quote that does not end, or brackets that do not
    match. ``offset`` says where."""

    def __init__(self, problem: str, offset: int) -> None:
        self.offset = offset
        super().__init__(problem)


class Token(NamedTuple):
    """One token; ``start`` and ``end`` are offsets into the text."""

    kind: Kind
    text: str
    start: int
    end: int


class Tokens:
    """The tokens of a text, and for each opening bracket the position of its closing one. Raises ``TokenError``."""

    __slots__ = ("items", "match", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.items: list[Token] = []
        self.match: dict[int, int] = {}
        items, stack, position = self.items, list[int](), 0
        for found in _TOKEN.finditer(text):  # most of what reading a large database costs
            kind, (start, end) = found.lastgroup, found.span()
            # The pattern steps over what it does not know: a gap is a character that no token begins with.
            if start != position:
                break
            # Comments count as space: a statement with one means the same, and the server does not keep them.
            if kind != "space":
                if kind == "open":
                    stack.append(len(items))
                elif kind == "close":
                    if not stack or _CLOSING[items[stack[-1]].text] != found[0]:
                        raise TokenError(f"{found[0]} at offset {position} closes nothing", position)
                    self.match[stack.pop()] = len(items)
                # The last group of a heredoc is its tag.
                items.append(Token(cast("Kind", "string" if kind == "tag" else kind), found[0], start, end))
            position = end
        if position < len(text):
            raise TokenError(f"unexpected {text[position : position + 20]!r} at offset {position}", position)
        if stack:
            open_bracket = items[stack[-1]]
            raise TokenError(f"{open_bracket.text} is never closed", open_bracket.start)

    def __len__(self) -> int:
        return len(self.items)

    def slice(self, start: int, end: int) -> str:
        """The text from token ``start`` up to (without) token ``end``."""
        return self.text[self.items[start].start : self.items[end - 1].end] if end > start else ""

    def is_word(self, position: int, *words: str) -> bool:
        """True where the bare words (upper case) stand from ``position`` on."""
        items = self.items
        if position + len(words) > len(items):
            return False
        for word in words:
            token = items[position]
            if token.kind != "word" or token.text.upper() != word:
                return False
            position += 1
        return True

    def is_op(self, position: int, text: str) -> bool:
        """True where that operator or bracket stands at ``position``."""
        return (
            position < len(self.items)
            and self.items[position].text == text
            and self.items[position].kind in ("op", "open", "close")
        )

    def is_kind(self, position: int, *kinds: Kind) -> bool:
        """True where a token of one of the kinds stands at ``position``."""
        return position < len(self.items) and self.items[position].kind in kinds

    def after(self, position: int) -> int:
        """The position behind this token, or behind the whole bracket that begins here."""
        return self.match.get(position, position) + 1

    def split(self, start: int, end: int, separator: str = ",") -> list[tuple[int, int]]:
        """Ranges between separators that are outside of brackets; none for an empty range."""
        ranges: list[tuple[int, int]] = []
        first = position = start
        while position < end:
            if self.is_op(position, separator):
                ranges.append((first, position))
                first = position + 1
            # A bracket is stepped over as a whole, so a separator inside of it divides nothing.
            position = self.after(position)
        return [*ranges, (first, end)] if end > start else []


def split_top(text: str, separator: str = ",") -> list[str]:
    """The pieces between separators that stand outside of brackets and quotes, without the space around them."""
    tokens = Tokens(text)
    return [tokens.slice(*piece) for piece in tokens.split(0, len(tokens), separator)]


def unquote(token: str) -> str:
    """The value of a string literal, quoted identifier, heredoc or bare word."""
    if token.startswith("$"):
        tag = token[: token.index("$", 1) + 1]
        return token[len(tag) : -len(tag)]
    if token[:1] in ("\u2018", "\u201c"):
        return token[1:-1]  # nothing is escaped in these
    if len(token) < 2 or token[0] not in "'`\"" or token[-1] != token[0]:
        return token
    # Only its own quote is written twice: '""' holds two quotes.
    quote = token[0]
    plain = _ESCAPE.sub(lambda found: _plain(found, quote), token[1:-1])
    # A byte alone is a surrogate, and several of them may be a character: '\xC3\xA9' is an é.
    return plain if plain.isascii() else _BYTES.sub(lambda found: _as_text(found[0]), plain)


def _as_text(surrogates: str) -> str:
    return surrogates.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _plain(found: re.Match[str], quote: str) -> str:
    if found.group(1) is not None:
        byte = int(found.group(1), 16)
        return chr(byte if byte < 0x80 else 0xDC00 + byte)
    if found.group(2) is not None:
        known = _ESCAPED.get(found.group(2))
        return known if known is not None else (found.group(2) if found.group(2) in "\\'`\"/=" else found.group())
    if found.group() == "\\N":
        return ""
    return quote if found.group()[0] == quote else found.group()


def signature(text: str) -> tuple[tuple[str, str], ...]:
    """The tokens without quotes: the same for two texts that differ only in spaces and needless quotes."""
    pairs: list[tuple[str, str]] = []
    for token in Tokens(text).items:
        if token.kind in ("word", "name"):
            pairs.append(("name", unquote(token.text)))
        else:
            pairs.append((token.kind, unquote(token.text) if token.kind == "string" else token.text))
    return tuple(pairs)


def identifier(tokens: Tokens, position: int) -> tuple[tuple[str, ...], int]:
    """The parts of an identifier such as ``db.table``, and the position behind it; no parts where there is none."""
    parts: list[str] = []
    while tokens.is_kind(position, "word", "name"):
        parts.append(unquote(tokens.items[position].text))
        position += 1
        if not (tokens.is_op(position, ".") and tokens.is_kind(position + 1, "word", "name")):
            break
        position += 1
    return tuple(parts), position


def grouped(tokens: Tokens) -> bool:
    """True where the whole text is one pair of parentheses."""
    return len(tokens) > 1 and tokens.is_op(0, "(") and tokens.match.get(0) == len(tokens) - 1
