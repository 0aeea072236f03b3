"""The tree is the architecture: imports go one way, I/O and chance stay at the edge, files and folders stay small."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aaiclick"
FILES = sorted(PACKAGE.rglob("*.py"))
# Each layer imports from the ones before it, never from one behind it. What shares a line is of one layer.
LAYERS = [
    {
        "allow",
        "errors",
        "error_codes",
        "explanations",
        "events",
        "observers",
        "version",
        "printable",
        "memory_limit",
        "processes",
    },
    {"sql"},
    {"second_connection", "routine", "migration_function", "peers"},
    {"clock", "relay"},
    {"specs", "aggregates", "server_objects", "variables"},
    {"catalog"},
    {"clients"},
    {"clickhouse"},
    {"diff"},
    {"lease"},
    {"versions"},
    {"plan"},
    {"state"},
    {"apply"},
    {"commands"},
    {"api"},
    {"engine_server", "metrics", "oplog", "tenants", "testing"},
    {"cli", "__main__"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
DRIVERS = {"chdb", "clickhouse_connect", "numpy", "pandas", "pyarrow", "aiohttp"}
MAY_LOAD_DRIVERS = {"clients", "engine_server", "testing", "cli"}
CHANCE = {"asyncio", "random", "secrets", "time", "uuid", "threading"}
WALL_CLOCK = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.date.today",
}
MAY_USE_CHANCE = {
    "second_connection",
    "routine",
    "clients",
    "api",
    "engine_server",
    "metrics",
    "tenants",
    "testing",
    "cli",
}
MAX_LINES = 400
MAX_FUNCTION = 60
"""Lines of a function, with its docstring."""
LONGER = {"tests": 600}
"""Tests hold tables of cases."""
FIELD_BY_FIELD = {"sql", "specs", "catalog", "clients", "diff", "versions", "plan"}
DOTTED = re.compile(r"aaiclick(\.\w+){2,}")
IN_QUOTES = re.compile(rf"[\"']{DOTTED.pattern}[\"']")
"""What a file has that is worth parsing for such names."""
MAX_FILES = {"aaiclick": 20}
"""How many files a folder may hold, where it is more than 18."""


def part_of(path: Path) -> str:
    """The folder (or module) right below the package: ``plan`` for ``aaiclick/diff/compare.py``; '' for the package
    itself."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every imported module with its line, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            assert node.module
            yield node.module, node.lineno
            if node.module == "aaiclick":
                yield from ((f"aaiclick.{alias.name}", node.lineno) for alias in node.names)


def loaded_at_import(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules that importing the file loads: not those inside functions, nor under ``if TYPE_CHECKING``."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo.extend(ast.iter_child_nodes(node))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of the file, walked once for all tests."""
    return tuple(ast.walk(parse(path)))


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_part_has_its_place() -> None:
    assert {part_of(path) for path in FILES} - {""} == set(RANK)


def test_names_leave_room_for_an_application() -> None:
    """An application carries this library inside its own package of the same name, beside modules of these names."""
    taken = {"async_wait", "audit", "auth", "backend", "data", "deploy", "internal_api", "locks", "orchestration"}
    taken |= {"sandbox", "server", "snowflake", "viewer"}
    assert taken.isdisjoint(part_of(path) for path in FILES)


def test_imports_go_one_way() -> None:
    wrong: list[str] = []
    for path in FILES:
        own = part_of(path)
        for module, line in imports(parse(path)):
            other = module.split(".")[1] if module.startswith("aaiclick.") else ""
            if own and other in RANK and RANK[other] > RANK[own]:
                wrong.append(f"{where(path, line)}: {own} imports {other}")
    assert wrong == []


def test_nothing_inside_leans_on_the_public_names() -> None:
    """``aaiclick/__init__.py`` is for users: a stage that imports from it would go in a circle."""
    wrong: list[str] = []
    for path in FILES:
        if part_of(path) and RANK[part_of(path)] < RANK["oplog"]:
            names = [
                (module, line)
                for module, line in imports(parse(path))
                if module.startswith("aaiclick.") and module.split(".")[1] not in RANK
            ]
            wrong += [f"{where(path, line)}: {module}" for module, line in names]
    assert wrong == []


def test_drivers_are_loaded_lazily_and_at_the_edge_only() -> None:
    wrong: list[str] = []
    for path in FILES:
        tree = parse(path)
        eager = {(module, line) for module, line in loaded_at_import(tree) if module.split(".")[0] in DRIVERS}
        wrong += [f"{where(path, line)}: {module} is loaded at import" for module, line in sorted(eager)]
        if part_of(path) not in MAY_LOAD_DRIVERS:
            wrong += [
                f"{where(path, line)}: {module}" for module, line in imports(tree) if module.split(".")[0] in DRIVERS
            ]
    assert wrong == []


def test_no_clock_no_chance_no_event_loop_in_the_core() -> None:
    wrong: list[str] = []
    for path in FILES:
        if part_of(path) in MAY_USE_CHANCE:
            continue
        tree = parse(path)
        wrong += [f"{where(path, line)}: {module}" for module, line in imports(tree) if module.split(".")[0] in CHANCE]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in WALL_CLOCK:
                wrong.append(f"{where(path, node.lineno)}: {ast.unparse(node)}")
    assert wrong == []


def yields_in_finally(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            todo: list[ast.AST] = list(node.finalbody)
            while todo:
                child = todo.pop()
                if isinstance(child, ast.Yield | ast.YieldFrom):
                    yield child.lineno
                if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                    todo.extend(ast.iter_child_nodes(child))


def test_no_yield_inside_finally() -> None:
    """A generator that was killed could not finish it."""
    assert [where(path, line) for path in FILES for line in yields_in_finally(parse(path))] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f():\n try:\n  pass\n finally:\n  yield 1\n", [5]),
        ("def f():\n try:\n  yield 1\n finally:\n  print()\n", []),
        ("def f():\n try:\n  pass\n finally:\n  with x:\n   y = yield from g()\n", [6]),
        ("def f():\n try:\n  pass\n finally:\n  def g():\n   yield 1\n", []),
    ],
)
def test_yields_in_finally_are_found(code: str, found: list[int]) -> None:
    assert list(yields_in_finally(ast.parse(code))) == found


def test_nothing_is_imported_in_a_circle() -> None:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    after: dict[str, set[str]] = {}
    for name, path in modules.items():
        named = {module for module, _ in imports(parse(path))} | {
            f"{node.module}.{alias.name}"
            for node in nodes(path)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        after[name] = (named & set(modules)) - {"aaiclick", name}
    # What imports nothing that is left is taken away, again and again: what stays is in a circle, or leads into one.
    while free := {name for name, needed in after.items() if not needed}:
        after = {name: needed - free for name, needed in after.items() if name not in free}
    assert sorted(after) == []


def test_differences_are_pure() -> None:
    """Two forms are compared without asking anybody."""
    wrong = [
        where(path, line)
        for path in FILES
        if part_of(path) == "diff"
        for module, line in imports(parse(path))
        if module == "aaiclick.routine"
    ]
    assert wrong == []


def test_plans_are_carried_out_by_what_they_say() -> None:
    """What carries a plan out reads the plan and its operations, never how it was made."""
    wrong = [
        f"{where(path, line)}: {module}"
        for path in FILES
        if part_of(path) in ("state", "apply")
        for module, line in imports(parse(path))
        if module.startswith("aaiclick.plan") and module not in ("aaiclick.plan.model", "aaiclick.plan.operations")
    ]
    assert wrong == []


def test_the_public_functions_are_thin() -> None:
    """What is asked of a database stands in ``commands/``: the functions for callers, and the command line, only say
    what they want."""
    wrong = [
        where(path, node.lineno)
        for path in FILES
        if part_of(path) in ("api", "cli")
        for node in nodes(path)
        if isinstance(node, ast.YieldFrom | ast.Yield)
        and "contextmanager" not in path.read_text(encoding="utf-8")
        and path.name != "source.py"
    ]
    assert wrong == []


def texts(path: Path) -> Iterator[tuple[str, int]]:
    """Every string of a file with its line; of an f-string its fixed parts in one, with spaces between them. No
    docstrings."""
    todo: list[ast.AST] = [parse(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.JoinedStr):
            yield " ".join(str(part.value) for part in node.values if isinstance(part, ast.Constant)), node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            todo.extend(ast.iter_child_nodes(node))


COMMENTS_READ = {"clickhouse/tables.py", "clickhouse/storages.py", "commands/inspection/warm.py"}
"""Tables of the user's, by name or UUID; and the one query of a start with nothing to do."""
COMMENTS_WRITTEN = {
    "diff/changes/settings.py",
    "plan/comparison/changed_views.py",
    "catalog/server_objects/databases.py",
}
"""Of tables, views and databases that are declared."""


def test_comments_of_our_own_tables_are_read_and_written_in_one_place() -> None:
    wrong: list[str] = []
    for path in FILES:
        inside = str(path.relative_to(PACKAGE))
        if part_of(path) in ("state", "lease"):
            continue
        wrong += [
            f"{where(path, line)}: {module}"
            for module, line in imports(parse(path))
            if module == "aaiclick.state.comments"
        ]
        writes = any(isinstance(node, ast.Name) and node.id == "modify_comment" for node in nodes(path))
        if writes and inside not in COMMENTS_WRITTEN:
            wrong.append(f"{inside}: modify_comment")
        for said, line in texts(path):
            reads = re.search(r"\bcomment\b.* FROM system\.tables", said, re.DOTALL) is not None
            if (reads and inside not in COMMENTS_READ) or "`nothing`" in said:
                wrong.append(f"{where(path, line)}: {said[:80]}")
    assert wrong == []


def test_nobody_but_the_lease_knows_the_lock() -> None:
    wrong: list[str] = []
    for path in FILES:
        if part_of(path) != "lease":
            wrong += [
                f"{where(path, line)}: {said[:80]}"
                for said, line in texts(path)
                if re.search(r"(?:\A|_aaiclick_| )lock(?:_was_)?\Z|_aaiclick_lock", said)
            ]
            named = [
                (node, alias.name) for node in nodes(path) if isinstance(node, ast.ImportFrom) for alias in node.names
            ]
            wrong += [
                f"{where(path, node.lineno)}: {name}"
                for node, name in named
                if node.module == "aaiclick.lease.names" and name in ("LOCK", "BEATS")
            ]
    assert wrong == []


def test_one_module_alone_starts_another_process() -> None:
    """``python -m`` is an import that no tool sees."""
    started = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Tuple | ast.List)
        if any(isinstance(each, ast.Constant) and each.value == "-m" for each in node.elts)
    ]
    assert started == ["clients/temporary_engine.py"]


STATEMENT = re.compile(
    r"(CREATE|ALTER TABLE|EXCHANGE|RENAME|DROP|ATTACH|DETACH|UNDROP|TRUNCATE|OPTIMIZE|KILL|SYSTEM"
    r"|ADD|MODIFY|RESET|REMOVE|MATERIALIZE|MOVE|APPLY)"
    r" ([A-Z`]|\Z)|COMMENT COLUMN "
)
"""How a statement that changes what is there begins, or a command of an ALTER."""
WRITES_STATEMENTS = {
    "sql/ddl.py",
    "sql/clauses.py",
    "commands/rights.py",  # names of privileges
    "plan/server_objects/rights.py",  # names of privileges
    "engine_server",  # another program, which keeps temporary tables for each of its sessions
    "testing",  # databases for tests
}


def statements_written(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Texts in the code that begin as a statement does. Not those that a regular expression looks for, nor what stands
    in a docstring."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile":
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and STATEMENT.match(first.value):
            yield node.lineno if isinstance(node, ast.expr) else 0, first.value
        todo.extend(
            part.value if isinstance(part, ast.FormattedValue) else part
            for part in ast.iter_child_nodes(node)
            if not (isinstance(node, ast.JoinedStr) and isinstance(part, ast.Constant))
        )


def test_statements_are_written_in_one_place() -> None:
    """One place for their syntax, and for what every one of them would have to say (``ON CLUSTER``)."""
    wrong = [
        f"{where(path, line)}: {found}"
        for path in FILES
        if not {str(path.relative_to(PACKAGE)), part_of(path)} & WRITES_STATEMENTS
        for line, found in statements_written(parse(path))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('x = "DROP TABLE t"', 1),
        ('x = f"DROP {kind} {name}"', 1),
        ('x = f"ALTER TABLE {table} MODIFY SETTING a = 1"', 1),
        ("x = f\"{table}: {', '.join(f'DROP PART {part}' for part in parts)}\"", 1),
        ('x = sql.startswith("ALTER TABLE ")', 1),
        ('x = ["MODIFY COMMENT", "RENAME COLUMN a TO b"]', 2),
        ('"""DROP TABLE as a docstring"""', 0),
        ('x = re.compile("CREATE TABLE (.+)")', 0),
        ('x = "CREATE was expected"', 0),
        ('x = f"the step would DROP TABLE {name}"', 0),
    ],
)
def test_written_statements_are_found(code: str, found: int) -> None:
    assert len(list(statements_written(ast.parse(code)))) == found


def test_folders_stay_small() -> None:
    counts = {
        folder: sum(path.parent == folder and path.name != "__init__.py" for path in FILES)
        for folder in {path.parent for path in FILES}
    }
    assert {
        str(folder.relative_to(PACKAGE)): count
        for folder, count in counts.items()
        if count > MAX_FILES.get(folder.name, 18)
    } == {}


def test_files_stay_small() -> None:
    paths = [*FILES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "examples").rglob("*.py"))]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    most = {name: LONGER.get(name.partition("/")[0], MAX_LINES) for name in lengths}
    assert {name: length for name, length in lengths.items() if length > most[name]} == {}


def test_functions_stay_small() -> None:
    functions = [
        (where(path, node.lineno), node.name, (node.end_lineno or 0) - node.lineno + 1)
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [found for found in functions if found[2] > MAX_FUNCTION] == []


SAME_ROLE = {
    "Instrumentation",
    "beat",
    "instrument",
    "is_restored",
    "undo_quietly",
    "while_held",
}
"""Names that stand for the same in two places, each of which is for another kind of host, program or library."""
VERBS = {"allow", "api", "cli", "commands", "engine_server"}
"""What a caller asks for is called so in each of these layers, and so are the keys by which steps are allowed. The
engine server is a program of its own."""


def test_a_name_stands_for_one_thing() -> None:
    """Public functions and classes: who reads a call need not look where it was imported from."""
    found: dict[str, list[str]] = {}
    for path in (path for path in FILES if part_of(path) not in VERBS):
        for node in parse(path).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
                found.setdefault(node.name, []).append(where(path, node.lineno))
    assert {name: places for name, places in found.items() if len(places) > 1 and name not in SAME_ROLE} == {}


def test_fields_of_large_classes_are_documented() -> None:
    """More than four fields: each has a docstring of its own below it. Keywords (TypedDict) are documented at the class
    that takes them."""
    wrong: list[str] = []
    for path in (path for path in FILES if part_of(path) in FIELD_BY_FIELD):
        for found in (node for node in nodes(path) if isinstance(node, ast.ClassDef)):
            places = [
                place
                for place, node in enumerate(found.body)
                if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)
            ]
            keywords = any(keyword.arg == "total" for keyword in found.keywords)
            if len(places) > 4 and not keywords:
                wrong += [
                    f"{where(path, found.body[place].lineno)}: {found.name}"
                    for place in places
                    if not is_docstring(found.body, place + 1)
                ]
    assert wrong == []


def is_docstring(body: list[ast.stmt], place: int) -> bool:
    """Whether a string stands there alone."""
    statement = body[place] if place < len(body) else None
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def test_dotted_names_in_the_tests_exist() -> None:
    """What a test replaces by its name in a string is no import that a type checker would see."""
    wrong: list[str] = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if not IN_QUOTES.search(path.read_text(encoding="utf-8")):
            continue
        constants = [node for node in nodes(path) if isinstance(node, ast.Constant)]
        names = [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]
        wrong += [
            f"{where(path, line)}: {name}" for line, name in names if DOTTED.fullmatch(name) and not resolves(name)
        ]
    assert wrong == []


def resolves(dotted: str) -> bool:
    """Whether it is a module, or something in one."""
    with suppress(ImportError):
        importlib.import_module(dotted)
        return True
    module, _, name = dotted.rpartition(".")
    with suppress(ImportError):
        return hasattr(importlib.import_module(module), name)
    return False
