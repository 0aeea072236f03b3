"""A position in a list of tokens, and the error for a piece of a definition that is not known."""

from __future__ import annotations

from aaiclick.sql.expressions import expression_end
from aaiclick.sql.tokens import Tokens, identifier, unquote


class ClauseError(ValueError):
    """A piece of a definition that cannot be represented. Its message is shown to the operator."""


class Cursor:
    """Reads ``tokens`` from ``position`` up to (without) ``end``. Methods that read raise ``ClauseError`` where
    something else is there."""

    __slots__ = ("end", "position", "tokens")

    def __init__(self, tokens: Tokens, position: int = 0, end: int | None = None) -> None:
        self.tokens = tokens
        self.position = position
        self.end = len(tokens) if end is None else end

    @property
    def done(self) -> bool:
        """True where nothing is left."""
        return self.position >= self.end

    def at(self, *words: str) -> bool:
        """True where these words come next."""
        return self.position + len(words) <= self.end and self.tokens.is_word(self.position, *words)

    def accept(self, *words: str) -> bool:
        """Step over these words if they come next; whether they did."""
        if not self.at(*words):
            return False
        self.position += len(words)
        return True

    def at_op(self, text: str, ahead: int = 0) -> bool:
        """True where that operator or bracket comes next (``ahead`` tokens further on)."""
        return self.position + ahead < self.end and self.tokens.is_op(self.position + ahead, text)

    def accept_op(self, text: str) -> bool:
        """Step over an operator if it comes next; whether it did."""
        if not self.at_op(text):
            return False
        self.position += 1
        return True

    def at_string(self, ahead: int = 0) -> bool:
        """True where a string literal comes next."""
        return self.position + ahead < self.end and self.tokens.is_kind(self.position + ahead, "string")

    def string(self) -> str:
        """A string literal, unquoted."""
        if not self.at_string():
            raise self.error("a string was expected")
        self.position += 1
        return unquote(self.tokens.items[self.position - 1].text)

    def name(self) -> str:
        """One identifier, unquoted."""
        if self.done or not self.tokens.is_kind(self.position, "word", "name"):
            raise self.error("a name was expected")
        self.position += 1
        return unquote(self.tokens.items[self.position - 1].text)

    def compound(self) -> tuple[str, ...]:
        """A name with its qualifiers: ``db.table`` as two parts."""
        parts, position = identifier(self.tokens, self.position)
        if not parts or position > self.end:
            raise self.error("a name was expected")
        self.position = position
        return parts

    def group(self) -> Cursor:
        """A cursor over the inside of the bracket that begins here. This cursor steps over the whole bracket."""
        closing = self.tokens.match.get(self.position)
        if closing is None or closing >= self.end:
            raise self.error("a bracket was expected")
        inner = Cursor(self.tokens, self.position + 1, closing)
        self.position = closing + 1
        return inner

    def rest(self) -> str:
        """The text that is left."""
        text = self.tokens.slice(self.position, self.end)
        self.position = max(self.position, self.end)
        return text

    def expression(self, what: str) -> str:
        """The text of one expression."""
        end = expression_end(self.tokens, self.position, self.end)
        if end == self.position:
            raise self.error(f"{what} has no expression")
        text = self.tokens.slice(self.position, end)
        self.position = end
        return text

    def expressions(self, what: str) -> str:
        """The text of expressions with commas between them."""
        start = self.position
        self.expression(what)
        while self.accept_op(","):
            self.expression(what)
        return self.tokens.slice(start, self.position)

    def pieces(self) -> list[Cursor]:
        """A cursor for each comma-separated piece of what is left."""
        return [Cursor(self.tokens, start, end) for start, end in self.tokens.split(self.position, self.end)]

    def error(self, problem: str) -> ClauseError:
        """An error with the problem and the next tokens."""
        here = self.tokens.slice(self.position, min(self.position + 6, len(self.tokens)))
        return ClauseError(f"{problem} at {here!r}" if here else f"{problem} at the end")
