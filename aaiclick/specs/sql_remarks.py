"""Remarks in comments of a declaration in SQL: ``-- renamed_from: op`` and ``-- backfill: true``.

On a line of its own it is about what begins below it, behind something on the same line it is about that: a column, or
the object whose statement begins or ends there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TypedDict

from aaiclick.errors import SpecError
from aaiclick.specs.sql_objects import Kind, place
from aaiclick.sql.comments import Comment
from aaiclick.sql.tokens import TokenError, Tokens, identifier

_SAID = re.compile(r"([A-Za-z_]{4,20})\s*:\s*(.*)\Z", re.DOTALL)
_KEYS = ("renamed_from", "backfill")
_NO_COLUMN = ("INDEX", "CONSTRAINT", "PROJECTION", "PRIMARY")


class RemarkFields(TypedDict, total=False):
    """Fields of an ``SqlObject`` that stand in comments."""

    renamed_from: str
    column_renames: dict[str, str]
    backfill: bool


class ColumnPlaces:
    """The columns between the brackets of a CREATE TABLE: for each its name, and where it begins and ends in the
    text."""

    def __init__(self, tokens: Tokens, position: int, start: int, noun: Kind) -> None:
        self.columns: list[tuple[str, int, int]] = []
        self.inside = (-1, -1)
        while position < len(tokens) and not tokens.is_op(position, "("):
            position += 1
        if noun != "table" or position >= len(tokens):
            return
        closing = tokens.match[position]
        self.inside = (start + tokens.items[position].start, start + tokens.items[closing].start)
        for first, end in tokens.split(position + 1, closing):
            clause = any(tokens.is_word(first, word) for word in _NO_COLUMN)
            name = "" if clause else ".".join(identifier(tokens, first)[0])
            last = end if end < closing else end - 1  # the comma behind it is its own
            self.columns.append((name, start + tokens.items[first].start, start + tokens.items[last].end))


class Remarks:
    """The remarks of a text. Raises ``SpecError`` where one has an unknown key."""

    def __init__(self, text: str, file: str, found: Sequence[Comment]) -> None:
        self.text = text
        self.file = file
        self.left: list[tuple[str, str, Comment]] = []
        for comment in found:
            said = _SAID.match(comment.text)
            if said is None:
                continue
            key, value = said[1], said[2].strip()
            if key not in _KEYS:
                # Any other comment with a colon is somebody's own.
                near = difflib.get_close_matches(key.lower(), _KEYS, 1, 0.8)
                if near:
                    raise self._error(comment, f"unknown remark {key}, did you mean {near[0]}?")
                continue
            self.left.append((key, value, comment))

    def of(self, elements: ColumnPlaces, start: int, end: int, noun: Kind, name: str) -> RemarkFields:
        """The remarks about the object whose statement stands from ``start`` to ``end``, and about its columns."""
        said = RemarkFields()
        renames: dict[str, str] = {}
        for remark in list(self.left):
            key, value, comment = remark
            column = self._column(elements, comment)
            if column is None and not self._about(comment, start, end, elements):
                continue
            self.left.remove(remark)
            if key == "backfill":
                if noun != "materialized view" or value != "true":
                    raise self._error(comment, "is for a materialized view, and says: backfill: true")
                said["backfill"] = True
                continue
            former = self._name(comment, value)
            if noun != "table":
                raise self._error(
                    comment, f"a {noun} is made anew under its new name: only tables and columns are renamed"
                )
            if column is None:
                if "renamed_from" in said:
                    raise self._error(comment, f"table {name} has a former name already")
                said["renamed_from"] = former
            elif not column or column in renames:
                raise self._error(
                    comment, f"column {column} has a former name already" if column else "is about no column"
                )
            else:
                renames[column] = former
        if renames:
            said["column_renames"] = renames
        return said

    def require_all_used(self) -> None:
        """Raises ``SpecError`` for a remark that is about nothing."""
        if self.left:
            key, _, comment = self.left[0]
            raise self._error(comment, f"{key} stands above nothing and behind nothing")

    def _column(self, elements: ColumnPlaces, comment: Comment) -> str | None:
        """The column that a comment between the brackets is about; '' for one that is about none, None outside."""
        opening, closing = elements.inside
        if not opening < comment.start < closing:
            return None
        if self._alone(comment):
            return next((name for name, start, _ in elements.columns if start >= comment.end), "")
        line = self.text.count("\n", 0, comment.start)
        before = [(name, end) for name, start, end in elements.columns if start < comment.start]
        if not before:
            return None  # behind the opening bracket: it is about the table
        name, end = before[-1]
        return name if end > comment.start or self.text.count("\n", 0, end) == line else ""

    def _about(self, comment: Comment, start: int, end: int, elements: ColumnPlaces) -> bool:
        """Whether a comment that is about no column is about this statement."""
        if self._alone(comment) and comment.start < start:
            return True  # those before an earlier statement are used up
        if start <= comment.start < end:
            return not self._alone(comment) or not elements.columns
        line = self.text.count("\n", 0, comment.start)
        return line in (self.text.count("\n", 0, start), self.text.count("\n", 0, end)) and (
            comment.start >= end or comment.end <= start
        )

    def _alone(self, comment: Comment) -> bool:
        """True where nothing stands before it on its line."""
        return not self.text[self.text.rfind("\n", 0, comment.start) + 1 : comment.start].strip()

    def _name(self, comment: Comment, value: str) -> str:
        try:
            tokens = Tokens(value)
        except TokenError:
            raise self._error(comment, f"{value!r} is no name") from None
        parts, behind = identifier(tokens, 0)
        if not parts or behind != len(tokens):
            raise self._error(comment, f"{value!r} is no name")
        return ".".join(parts)

    def _error(self, comment: Comment, problem: str) -> SpecError:
        line = self.text.count("\n", 0, comment.start) + 1
        return SpecError(place(self.file, line, self.text[comment.start : comment.end].split("\n")[0].strip()), problem)
