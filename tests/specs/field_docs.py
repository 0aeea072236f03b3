"""The meaning of every keyword of a declaration, where editors and ``help()`` look for it: in the docstring of
``__init__``.

``python -m tests.specs.field_docs`` writes these docstrings from those below the fields.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

SPECS = Path(__file__).parent.parent.parent / "aaiclick" / "specs"
OUTSIDE = ("server_objects/collections", "server_objects/databases")
FILES = ("tables", "columns", "engines", "views", "schema", "migrations", "functions", *OUTSIDE)
INDENT = " " * 8


def written(source: str, known: dict[str, list[tuple[str, str]]]) -> str:
    """The source with these docstrings. ``known`` gets the fields of each class, for those that inherit them."""
    lines = source.splitlines(keepends=True)
    changes: list[tuple[int, int, str]] = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        inherited = [pair for base in node.bases for pair in known.get(ast.unparse(base), [])]
        own = list(fields(node))
        known[node.name] = [*own, *(pair for pair in inherited if pair[0] not in dict(own))]
        made = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
        if made is None or not known[node.name]:
            continue
        first = made.body[0]
        has_one = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        start, end = first.lineno - 1, (first.end_lineno or 0) if has_one else first.lineno - 1
        changes.append((start, end, docstring(known[node.name])))
    for start, end, text in reversed(changes):
        lines[start:end] = [text]
    return "".join(lines)


def fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, below in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and not statement.target.id.startswith("_")
            and "ClassVar" not in ast.unparse(statement.annotation)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            yield statement.target.id, " ".join(str(below.value.value).split())


def docstring(listed: list[tuple[str, str]]) -> str:
    entries = [
        textwrap.fill(
            f"{name}: {meaning}",
            120,
            initial_indent=INDENT,
            subsequent_indent=INDENT + "    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, meaning in listed
    ]
    body = "\n".join(entries)
    return f'{INDENT}"""What each keyword means.\n\n{body}\n{INDENT}"""\n'


def all_written() -> dict[Path, str]:
    known: dict[str, list[tuple[str, str]]] = {}
    paths = [SPECS / f"{name}.py" for name in FILES]
    return {path: written(path.read_text(encoding="utf-8"), known) for path in paths}


if __name__ == "__main__":
    for path, text in all_written().items():
        path.write_text(text, encoding="utf-8")
