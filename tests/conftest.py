"""What the whole suite shares: the package's own pytest plugin, hypothesis without deadlines (the machine may be slow),
an engine that no test leaves its settings on, and what makes a run short: files in memory, and the long tests first."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from aaiclick.testing import EngineServer
from tests.in_memory import keep_bytecode, leave_ram_disk, use_ram_disk
from tests.sampled import left_out
from tests.shared_engine import SharedEngine, SharedServer, put_back

CLUSTERS = Path(__file__).parent / "cluster"
LONG_RUNS = ("long and not proof", "proof", "proof or long")
"""What ``make test-long`` and ``make proof`` ask for."""

# An installed package brings its plugin along by its entry point; in a bare checkout it is named here.
if not entry_points(group="pytest11", name="aaiclick"):
    pytest_plugins = ["aaiclick.testing.plugin"]

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def aaiclick_engine(aaiclick_engine_path: str) -> Iterator[SharedEngine]:
    """The plugin's engine, which here forgets after each test what was SET on it."""
    with SharedEngine(aaiclick_engine_path) as engine:
        yield engine


@pytest.fixture(scope="session")
def aaiclick_server() -> Iterator[EngineServer]:
    """The plugin's server, whose clients are opened as those of the engine are."""
    with SharedServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_settings_are_left() -> Iterator[None]:
    yield
    put_back()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes what the golden cases expect."""
    parser.addoption("--update-golden", action="store_true", help="write the expectations of tests/cases/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    """The workers of a run have it from the process that starts them. Benchmarks stay on the disk, and so do the proofs
    that are about it."""
    # What 400 modules and thousands of tests are made of stays: looking for garbage among it so often takes a quarter
    # of the time until the first test, and a twentieth behind it.
    gc.set_threshold(20_000, 20, 20)
    chosen = str(config.getoption("markexpr"))
    if not hasattr(config, "workerinput") and (
        chosen.strip() in LONG_RUNS or all(f"not {kind}" in chosen for kind in ("bench", "proof"))
    ):
        made = use_ram_disk()
        if made is not None:
            config.add_cleanup(lambda: leave_ram_disk(made))
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        keep_bytecode()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Before the marks are asked for, what is only sampled gets its own; at the end, long ones go first: one that comes
    last leaves the other workers with nothing to do. Tests of clusters stay together: hosts start once for them."""
    if not config.getoption("keyword") and not any("::" in argument for argument in config.args):
        for item in left_out(items):
            item.add_marker(pytest.mark.long)
    yield
    items.sort(key=lambda item: item.get_closest_marker("slow") is None and CLUSTERS not in item.path.parents)


def pytest_collection_finish() -> None:
    """Modules and 4,000 tests stay until the end. Each full collection would go through all of them again, which is a
    twentieth of a run's processor time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    """A worker that has nothing left takes tests over from another one: what the long ones leave uneven at the
    beginning is even at the end."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None
