"""The meaning of every keyword of a declaration, where editors and ``help()`` look for it: in the docstring of
``__init__``, and below the keyword in its ``TypedDict``, which an editor shows over a keyword.

``python -m tests.specs.field_docs`` writes these docstrings from those below the fields.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

SPECS = Path(__file__).parent.parent.parent / "aaiclick" / "specs"
OUTSIDE = ("server_objects/collections", "server_objects/databases")
FILES = ("tables", "columns", "engines", "engine_fields", "views", "schema", "migrations", "functions", *OUTSIDE)
INDENT = " " * 8
WRAPPED = textwrap.TextWrapper(116, break_long_words=False, break_on_hyphens=False)


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


def described(source: str, meanings: dict[str, dict[str, str]]) -> str:
    """The source with what each keyword of its ``TypedDict`` classes means."""
    lines = source.splitlines(keepends=True)
    changes: list[tuple[int, int, str]] = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or node.name not in meanings:
            continue
        for place, statement in enumerate(node.body):
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            below = node.body[place + 1] if place + 1 < len(node.body) else None
            start = statement.end_lineno or 0
            end = (below.end_lineno or 0) if isinstance(below, ast.Expr) else start
            meaning = meanings[node.name][statement.target.id]
            changes.append((start, end, textwrap.indent(WRAPPED.fill(f'"""{meaning}"""'), "    ") + "\n"))
    for start, end, text in reversed(changes):
        lines[start:end] = [text]
    return "".join(lines)


def keywords(sources: list[str], known: dict[str, list[tuple[str, str]]]) -> dict[str, dict[str, str]]:
    """What the keys of each ``TypedDict`` mean: as the fields of the classes whose ``__init__`` takes them."""
    bases: dict[str, str] = {}
    users: dict[str, str] = {}
    for node in (each for source in sources for each in ast.parse(source).body if isinstance(each, ast.ClassDef)):
        base = ast.unparse(node.bases[0]) if node.bases else ""
        if base == "TypedDict" or base in bases or base.endswith(("Fields", "Clauses")):
            bases[node.name] = base
        for made in node.body:
            if isinstance(made, ast.FunctionDef) and made.name == "__init__" and made.args.kwarg is not None:
                taken = ast.unparse(made.args.kwarg.annotation or made).removeprefix("Unpack[").removesuffix("]")
                users.setdefault(taken, node.name)

    found: dict[str, dict[str, str]] = {}
    for name in bases:
        # Keys that several take are those of the first one. What a class method takes is said there by hand.
        family = [name, *(each for each, base in bases.items() if base == name)]
        user = next((users[each] for each in family if each in users), None)
        if user is not None:
            found[name] = dict(known[user])
    return found


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
    texts = [written(path.read_text(encoding="utf-8"), known) for path in paths]
    meanings = keywords(texts, known)
    return {path: described(text, meanings) for path, text in zip(paths, texts, strict=True)}


if __name__ == "__main__":
    for path, text in all_written().items():
        path.write_text(text, encoding="utf-8")
