"""Definitions in lines, and two of them side by side. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from aaiclick.catalog.forms import Form, UnsupportedForm
from aaiclick.catalog.render import statement
from aaiclick.cli.report.markup import Html, el, folded, joined
from aaiclick.printable import count_text
from aaiclick.sql.tokens import TokenError, Tokens, signature

AROUND = 3
"""Lines that stay around a difference; what is the same further away is folded."""
_WORDS = (
    "ENGINE|PARTITION BY|PRIMARY KEY|ORDER BY|SAMPLE BY|TTL|SETTINGS|COMMENT|AS SELECT|AS WITH|UNION ALL|SELECT|"
    "FROM|PREWHERE|WHERE|GROUP BY|HAVING|LIMIT|SOURCE|LIFETIME|LAYOUT|RANGE|TO|REFRESH|DEFINER|SQL SECURITY|"
    "LEFT JOIN|INNER JOIN|JOIN"
)
_CLAUSES = tuple(tuple(words.split()) for words in _WORDS.split("|"))
"""What begins a line outside of brackets."""
_GLUED = ("AS", "LEFT", "INNER", "OUTER", "ANY", "ALL", "DEFINER", "SQL")
"""What keeps the next word on its line."""


def form_lines(form: Form, database: str) -> list[str]:
    """A definition as it is read: an element and a clause on each line. Secrets stay hidden."""
    if isinstance(form, UnsupportedForm):
        return sql_lines(form.text)
    return sql_lines(statement(form, database, form.name))


def sql_lines(sql: str) -> list[str]:
    """A CREATE statement in lines."""
    try:
        tokens = Tokens(sql)
    except TokenError:
        return sql.splitlines()
    lines: list[str] = []
    first = place = 0
    listed = False
    while place < len(tokens):
        if place > first and _begins(tokens, place):
            lines.append(tokens.slice(first, place))
            first = place
        if not listed and tokens.is_op(place, "(") and place in tokens.match and not _begins(tokens, first):
            # The first bracket of the head holds the columns.
            listed = True
            closing = tokens.match[place]
            lines.append(tokens.slice(first, place + 1))
            pieces = tokens.split(place + 1, closing)
            lines += [f"    {tokens.slice(*piece)}{',' if piece is not pieces[-1] else ''}" for piece in pieces]
            first = closing
            place = closing
        place = tokens.after(place) if not tokens.is_kind(place, "close") else place + 1
    return [*lines, tokens.slice(first, len(tokens))]


def _begins(tokens: Tokens, place: int) -> bool:
    # ``AS SELECT`` begins the line, not the SELECT in it.
    if place > 0 and any(tokens.is_word(place - 1, word) for word in _GLUED):
        return False
    return any(tokens.is_word(place, *words) for words in _CLAUSES)


@dataclass(frozen=True, slots=True)
class Pair:
    """A line before and after; None where there is none on that side."""

    before: str | None
    after: str | None

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.before == self.after


def paired(before: Sequence[str], after: Sequence[str]) -> list[Pair]:
    """The lines of two definitions, beside each other."""
    found: list[Pair] = []
    matcher = SequenceMatcher(None, [_bare(line) for line in before], [_bare(line) for line in after], autojunk=False)
    for _, a, b, c, d in matcher.get_opcodes():
        for at in range(max(b - a, d - c)):
            left = before[a + at] if a + at < b else None
            right = after[c + at] if c + at < d else None
            same = left is not None and right is not None and _bare(left) == _bare(right)
            found.append(Pair(right, right) if same else Pair(left, right))
    return found


def _bare(line: str) -> object:
    """What the line says: a comma more behind it, other spaces and needless quotes say nothing."""
    try:
        return signature(line.rstrip(",").removesuffix("("))
    except TokenError:
        return line


def side_by_side(pairs: Sequence[Pair], what: str) -> Html:
    """A table with what was on the left and what will be on the right."""
    rows = [_row(pair) if isinstance(pair, Pair) else _fold(pair) for pair in _cut(pairs)]
    head = el("tr", el("th", "now", scope="col"), el("th", "after", scope="col"))
    made = el(
        "table", el("caption", f"Definition of {what}", class_="said"), el("thead", head), joined(rows), class_="diff"
    )
    return el("div", made, class_="wide", tabindex=0, role="group", aria_label=f"Definition of {what}")


def _row(pair: Pair) -> Html:
    if pair.same:
        cells = [_cell(pair.before, ""), _cell(pair.after, "")]
    else:
        cells = [_cell(pair.before, "gone"), _cell(pair.after, "come")]
    return el("tbody", el("tr", *cells))


def _cell(line: str | None, kind: str) -> Html:
    if line is None:
        return el("td", class_="none")
    if not kind:
        return el("td", el("code", line), class_="same")
    # The sign says it too, for who does not see the colour.
    sign = el("span", "-" if kind == "gone" else "+", class_="sign", aria_hidden="true")
    said = el("span", "removed: " if kind == "gone" else "added: ", class_="said")
    return el("td", sign, said, el("code", line), class_=kind)


def _fold(lines: list[Pair]) -> Html:
    text = "\n".join(pair.after or "" for pair in lines)
    return el(
        "tbody", el("tr", el("td", folded(f"{count_text(len(lines), 'line')} the same", el("pre", text)), colspan=2))
    )


def _cut(pairs: Sequence[Pair]) -> list[Pair | list[Pair]]:
    """The pairs, with long runs of equal ones as a list."""
    near = [
        any(not other.same for other in pairs[max(at - AROUND, 0) : at + AROUND + 1]) or at == 0
        for at in range(len(pairs))
    ]
    found: list[Pair | list[Pair]] = []
    for shown, run in groupby(zip(near, pairs, strict=True), key=lambda each: each[0]):
        lines = [pair for _, pair in run]
        found += lines if shown or len(lines) == 1 else [lines]
    return found
