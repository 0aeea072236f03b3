"""A registry that one test has for itself, and what stands in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from aaiclick.metrics import instrument


class Registry(CollectorRegistry):
    """Figures by the name and labels of their line."""

    def of(self, name: str, **labels: str) -> float | None:
        return self.get_sample_value(name, labels)


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    instrumentation = instrument(made)
    yield made
    instrumentation.close()
